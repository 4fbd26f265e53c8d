// What changes from second to second without being fetched: texts still being spoken, and how long calls last.
import { isAtEnd, toEnd } from "./pieces.js";

// Show what is being said right now; `told` is an `utterance_interim`.
export function interim(told) {
  const list = document.getElementById("interims");
  const follow = isAtEnd(document.getElementById("said-scroll"));
  let line = document.getElementById(`interim-${told.speaker}`);
  if (!line) {
    line = document.createElement("li");
    line.id = `interim-${told.speaker}`;
    line.className = `line line-${told.speaker} line-interim`;
    const who = document.createElement("span");
    who.className = "line-who";
    who.textContent = told.speaker === "caller" ? "来电人 正在说" : "坐席 正在说";
    line.append(who, document.createElement("p"));
    list.append(line);
  }
  Object.assign(line.dataset, { tap: told.tap_id, number: told.number });
  line.lastElementChild.textContent = told.text
    .replaceAll("[unk]", "□□")
    .replace(/([^\x00-\x7f]) +(?=[^\x00-\x7f])/g, "$1");
  dropInterims();
  if (follow) toEnd();
}

// Take interim texts away whose final text is there.
export function dropInterims() {
  const finals = [...document.querySelectorAll("#said > li")];
  for (const line of document.querySelectorAll("#interims > li")) {
    const { tap, number } = line.dataset;
    const isFinal = finals.some((said) => said.dataset.tap === tap && Number(said.dataset.number) >= Number(number));
    if (isFinal || !line.lastElementChild.textContent) line.remove();
  }
}

let ahead = 0; // milliseconds that this machine's clock is ahead of the server's

export function learnTime(answer) {
  const there = Date.parse(answer.headers.get("Date"));
  if (!isNaN(there)) ahead = Date.now() - there;
}

export function tick() {
  const two = (number) => String(number).padStart(2, "0");
  for (const time of document.querySelectorAll("time[data-since]")) {
    const since = Date.parse(time.dataset.since);
    if (isNaN(since)) continue;
    const seconds = Math.max(0, Math.floor((Date.now() - ahead - since) / 1000));
    time.classList.toggle("is-late", Boolean(time.dataset.limit) && seconds > Number(time.dataset.limit));
    const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
    time.textContent = `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(seconds % 60)}`;
  }
}
