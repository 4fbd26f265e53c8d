// What the machine suggests about a call: taken or waved away by a click, or by Alt and the number that stands on it.
import { decided } from "./linkage.js";

// `decide(values)` sends a decision; `fill(name, value)` writes a field.
export function listenSuggestions(decide, fill) {
  function press(button) {
    const { optionAct, optionField, optionValue, kind, chosen } = button.dataset;
    if ("wave" in button.dataset) decide({ kind, chosen });
    else if (optionAct === "fill") fill(optionField, optionValue);
    else if (decided(button)) decide({ kind, chosen, value: optionValue });
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-option], [data-wave]");
    if (button) press(button);
  });
  document.addEventListener("keydown", (event) => {
    const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code)?.[1];
    if (!digit || !event.altKey || event.ctrlKey || event.metaKey || event.repeat) return;
    const button = document.querySelector(digit === "0" ? "[data-wave]" : `[data-option="${digit}"]`);
    if (!button) return;
    event.preventDefault();
    press(button);
  });
}
