// The ticket's fields. What somebody types in is held: the server's newer values are shown beside it, never over it.
import { highlight, playEvidence } from "./sound.js";

export const control = (field) => field.querySelector("[data-control]");
export const fields = () => [...document.querySelectorAll(".field")];
// `base` is the server's value that the typing began from; without one, nobody has typed.
const base = (field) => field.dataset.base ?? field.dataset.value;
export const dirty = (field) => control(field).value !== base(field);
export const focused = (field) => document.activeElement === control(field);

export function mark(field) {
  field.classList.toggle("is-dirty", dirty(field));
}

// Say beside the field what its value is elsewhere. `choices`: "take" it; "keep" what is typed here.
function note(field, before, text, ...choices) {
  const line = document.createElement("p"), quote = document.createElement("q");
  line.className = "elsewhere";
  quote.textContent = text || "（空）";
  line.append(before, quote);
  for (const choice of choices) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "quiet", textContent: choice === "take" ? "采用" : "保留我的" });
    button.dataset[choice] = "";
    line.append(" ", button);
  }
  field.querySelector(".notes").replaceChildren(line);
}

// A colleague has written the same field: leaving it must not overwrite theirs, somebody has to decide.
const undecided = (field) => field.querySelector("[data-keep]");
export const toBeSaved = (field) => dirty(field) && !undecided(field);

// Put the server's `fresh` version of a field in place of `old`, keeping the control that is held.
export function patchField(old, fresh) {
  const typed = control(old).value, wasDirty = dirty(old);
  if (control(fresh).readOnly || control(fresh).disabled) { // the ticket was confirmed, here or elsewhere
    old.replaceWith(fresh);
    if (wasDirty && typed !== fresh.dataset.value) note(fresh, "您输入的内容没有保存：", typed);
    return;
  }
  if (!focused(old) && (!wasDirty || typed === fresh.dataset.value)) {
    old.replaceWith(fresh);
    return;
  }
  const byMe = fresh.dataset.by === document.getElementById("main").dataset.me;
  const saved = typed === fresh.dataset.value || (byMe && fresh.dataset.value !== old.dataset.value);
  old.dataset.base = saved ? fresh.dataset.value : base(old);
  for (const name of ["value", "by", "utterances"]) old.dataset[name] = fresh.dataset[name];
  for (const piece of [".field-head", ".notes", ".proposals", ".why", "[data-was]"]) {
    const there = old.querySelector(piece), next = fresh.querySelector(piece);
    if (next && !sticks(there, next) && !there.isEqualNode(next)) there.replaceWith(next);
  }
  for (const source of ["is-machine", "is-human"]) old.classList.toggle(source, fresh.classList.contains(source));
  if (fresh.dataset.value !== old.dataset.base && fresh.dataset.value !== typed) {
    if (!fresh.dataset.by) note(old, "机器听到：", fresh.dataset.value, "take");
    else note(old, `${fresh.dataset.by} 改为：`, fresh.dataset.value, "take", ...(dirty(old) ? ["keep"] : []));
  }
  mark(old);
}

// A message of the last attempt to save stays until the next one, though the server's newer pieces no longer have it.
export function sticks(old, fresh) {
  return Boolean(old.querySelector("[data-sticky]")) && !fresh.querySelector("[data-sticky]");
}

// ---- what was typed in a ticket that leaves the screen unsaved comes back with it

const unsaved = new Map(); // ticket id -> [[field name, typed, base], ...]

export function stash() {
  const form = document.getElementById("ticket-form");
  const kept = fields().filter(dirty).map((field) => [field.dataset.field, control(field).value, base(field)]);
  if (form && kept.length) unsaved.set(form.dataset.ticket, kept);
}

export function unstash() {
  const form = document.getElementById("ticket-form"), kept = form && unsaved.get(form.dataset.ticket);
  if (!kept) return;
  unsaved.delete(form.dataset.ticket);
  for (const [name, typed, was] of kept) {
    const field = document.getElementById(`field-${name}`);
    control(field).value = typed;
    field.dataset.base = was;
    if (field.dataset.value !== was) note(field, "现在的内容：", field.dataset.value, "take", "keep");
    mark(field);
  }
}

// ---- a machine's value that the agent accepts as it stands is the agent's from then on

const accepted = new Map(); // "ticket field" -> the value that was seen and accepted, until the server has it

export function acceptedIn(form) {
  const own = [...accepted].filter(([key]) => key.startsWith(`${form.dataset.ticket} `));
  return own.map(([key, value]) => [key.slice(key.indexOf(" ") + 1), value]);
}

export function forgetAccepted(form) {
  for (const [name] of acceptedIn(form)) accepted.delete(`${form.dataset.ticket} ${name}`);
}

export const anythingUnsaved = () => fields().some(dirty) || unsaved.size > 0 || accepted.size > 0;

function accept(field) {
  const value = control(field).value;
  if (dirty(field) || !value || !field.classList.contains("is-machine")) return false;
  accepted.set(`${document.getElementById("ticket-form").dataset.ticket} ${field.dataset.field}`, value);
  return true;
}

// Put a value into a field, as a decision about what is there now.
export function fill(field, value, save) {
  field.dataset.base = field.dataset.value;
  control(field).value = value;
  mark(field);
  if (toBeSaved(field)) save();
}

// Mark what led to the value of the field with the focus: the lines of the transcript, and the words in them.
export function showEvidence() {
  const field = document.activeElement.closest(".field");
  const ids = field?.dataset.utterances.split(" ") ?? [];
  const lines = [...document.querySelectorAll("#said > li")].filter((line) => {
    const leads = ids.includes(line.id.slice("said-".length));
    line.classList.toggle("line-evidence", leads);
    return leads;
  });
  highlight(lines, [...(field?.querySelectorAll(".why > p:first-child q") ?? [])].map((word) => word.textContent));
}

// By keyboard, in the field with the focus: F2 hear what led to its value, F4 accept it and go on, F8 clear it.
function byKey(event, field, save) {
  if (event.key === "F2") playEvidence(field);
  else if (control(field).readOnly || control(field).disabled) return;
  else if (event.key === "F8") fill(field, "", save);
  else {
    if (accept(field)) save();
    const all = fields();
    const next = control(all[(all.indexOf(field) + 1) % all.length]);
    next.focus();
    next.select?.(); // typing writes over the machine's guess
  }
}

// ---- what people do in fields; `save` is called when a new value is to be kept

export function listen(save) {
  document.addEventListener("input", (event) => {
    const field = event.target.closest(".field");
    if (field) mark(field);
  });
  document.addEventListener("change", (event) => {
    const field = event.target.closest(".field");
    if (field && toBeSaved(field)) save();
  });
  document.addEventListener("focusin", (event) => {
    const field = event.target.closest(".field");
    if (field && event.target === control(field)) field.dataset.base ??= field.dataset.value;
    showEvidence();
  });
  document.addEventListener("focusout", (event) => {
    const field = event.target.closest(".field");
    if (!field || event.target !== control(field) || dirty(field)) return;
    delete field.dataset.base; // nothing was typed: what came in meanwhile may be shown now
    if (control(field).value === field.dataset.value) return;
    control(field).value = field.dataset.value;
    field.querySelector(".notes").replaceChildren();
  });
  document.addEventListener("click", (event) => {
    const evidence = event.target.closest("[data-evidence]");
    if (evidence) playEvidence(evidence.closest(".field"));
    const button = event.target.closest("[data-pick], [data-take], [data-keep]");
    if (!button) return;
    const field = button.closest(".field");
    field.dataset.base = field.dataset.value; // what is there now was seen, and decided upon
    if ("pick" in button.dataset) control(field).value = button.dataset.pick;
    if ("take" in button.dataset) control(field).value = field.dataset.value;
    button.closest(".elsewhere")?.remove();
    mark(field);
    if (toBeSaved(field)) save();
    control(field).focus();
  });
  document.addEventListener("keydown", (event) => {
    const field = document.activeElement.closest(".field");
    if (field && ["F2", "F4", "F8"].includes(event.key) && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      byKey(event, field, save);
    }
    if (event.key !== "Enter" || event.isComposing) return;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      if (document.getElementById("confirm")) document.getElementById("ticket-form").requestSubmit();
    } else if (event.target.matches("input[data-control]")) {
      event.preventDefault(); // by itself, Enter in a line of a form would confirm the ticket
      if (toBeSaved(event.target.closest(".field"))) save();
    }
  });
}
