// Three-line linkage: the lines' buttons, who is in the conference, alarms. Acts are sent to the API and carried out
// by the telephone side within seconds or not at all; when they are not, the page says how to do it by telephone.

const TWICE_MILLISECONDS = 4000; // within which a button that asks twice is pressed again
const TYPED_MILLISECONDS = 2000; // within which the digits of a line are typed
const AGAIN = "再按一次确认";
const AGAIN_MILLISECONDS = 20000; // after which an alarm that nobody acknowledged sounds again

const busy = new Set(); // what is under way: pressing again does nothing
let refresh = () => {};

function say(text, isTrouble = true) {
  const shown = document.getElementById("linkage-message");
  if (!shown) return;
  shown.textContent = text;
  shown.classList.toggle("is-trouble", isTrouble && Boolean(text));
}

async function send(method, path, body, byTelephone = "") {
  const key = `${method} ${path} ${JSON.stringify(body ?? {})}`;
  if (busy.has(key)) return;
  busy.add(key);
  say("正在执行 …", false);
  try {
    const token = document.querySelector("[name=form_token]").value;
    const answer = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json", "Desk-Form-Token": token },
      body: JSON.stringify(body ?? {}),
    });
    const told = await answer.json();
    say(answer.ok ? "" : told.error?.message ?? `服务器返回 ${answer.status}`);
  } catch (problem) {
    console.warn("an act of the linkage was not carried out", problem);
    say(`连接不到服务器，可能没有执行。${byTelephone}`);
  } finally {
    busy.delete(key);
    refresh();
  }
}

// Buttons that ask twice: when they were pressed for the first time. By id, since the page may be rendered again between.
const pressedOnce = new Map();

export function decided(button) {
  if (!("twice" in button.dataset)) return true;
  const isSecond = Date.now() - (pressedOnce.get(button.id) ?? 0) < TWICE_MILLISECONDS;
  if (isSecond) pressedOnce.delete(button.id);
  else {
    pressedOnce.set(button.id, Date.now());
    setTimeout(askAgain, TWICE_MILLISECONDS + 100); // brings its own label back
  }
  askAgain();
  return isSecond;
}

// Say on the buttons that were pressed once that they ask twice.
function askAgain() {
  for (const button of document.querySelectorAll("[data-twice]")) {
    const label = button.querySelector(".line-name") ?? button;
    if (Date.now() - (pressedOnce.get(button.id) ?? 0) < TWICE_MILLISECONDS) {
      button.dataset.label ??= label.textContent;
      label.textContent = AGAIN;
    } else if (label.textContent === AGAIN) label.textContent = button.dataset.label;
  }
}

function press(button) {
  const data = button.dataset, of = `/api/calls/${data.call}/linkage`;
  if (button.disabled || !decided(button)) return;
  if (data.line) send("POST", of, { lines: [data.line] }, `请在话机上按 *${data.line}`);
  else if (data.lines) send("POST", of, { lines: data.lines.split(",") }, `请在话机上按 *${data.lines.split(",")[0]}`);
  else if (data.drop) send("DELETE", `${of}/${data.drop}`);
  else if (data.act) send("POST", `${of}/${data.act}`);
  else if (data.mute) {
    const party = { party: data.mute, ...(data.muteLine ? { line: data.muteLine } : {}) };
    send("POST", `${of}/${data.muted === "yes" ? "unmute" : "mute"}`, party);
  } else if (data.acknowledge) send("POST", `/api/linkage/alarms/${data.acknowledge}/acknowledge`);
  else if (data.dismiss) send("POST", `/api/linkage/proposals/${data.dismiss}/dismiss`);
}

// ---- by keyboard: F9, then the line's number as on a telephone

let typed = "", lastTyped = 0;

function typeDigit(event) {
  const panel = document.activeElement?.closest("#linkage-lines");
  if (!panel || !/^[0-9]$/.test(event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  typed = (event.timeStamp - lastTyped > TYPED_MILLISECONDS ? "" : typed) + event.key;
  lastTyped = event.timeStamp;
  const lines = [...panel.querySelectorAll("[data-line]")];
  const button = lines.find((one) => one.dataset.line === typed);
  if (button) {
    typed = "";
    button.focus();
    press(button);
  } else if (!lines.some((one) => one.dataset.line.startsWith(typed))) typed = event.key;
}

function toLines(event) {
  if (event.key !== "F9") return;
  const first = document.querySelector("#linkage-lines [data-line]:enabled");
  if (!first) return;
  event.preventDefault();
  typed = "";
  first.focus();
}

// ---- alarms

let sound = null, sounded = 0;
const heard = new Set();

function ring() {
  sounded = Date.now();
  sound ??= new AudioContext();
  if (sound.state === "suspended") sound.resume().catch(() => {}); // before the first click a page may make no sound
  const at = sound.currentTime;
  for (const [index, pitch] of [880, 660, 880, 660].entries()) {
    const tone = sound.createOscillator(), level = sound.createGain();
    tone.frequency.value = pitch;
    level.gain.setValueAtTime(0.0001, at + index * 0.28);
    level.gain.exponentialRampToValueAtTime(0.25, at + index * 0.28 + 0.03);
    level.gain.exponentialRampToValueAtTime(0.0001, at + index * 0.28 + 0.25);
    tone.connect(level).connect(sound.destination);
    tone.start(at + index * 0.28);
    tone.stop(at + index * 0.28 + 0.26);
  }
}

// Sound for what is new, and now and then for what nobody has acknowledged.
export function heedAlarms() {
  askAgain();
  const ids = [...document.querySelectorAll("[data-alarm]")].map((alarm) => alarm.id);
  const isNew = ids.some((id) => !heard.has(id));
  ids.forEach((id) => heard.add(id));
  document.title = document.title.replace(/^⚠ /, "");
  if (ids.length) document.title = `⚠ ${document.title}`;
  if (isNew || (ids.length && Date.now() - sounded > AGAIN_MILLISECONDS)) {
    ring();
    document.body.dataset.rung = String(Number(document.body.dataset.rung ?? 0) + 1);
  }
}

export function listenLinkage(refreshNow) {
  refresh = refreshNow;
  document.addEventListener("click", (event) => {
    const button = event.target.closest(
      "button[data-line], button[data-lines], [data-drop], [data-act], [data-mute], [data-acknowledge], [data-dismiss]",
    );
    if (button) press(button);
  });
  document.addEventListener("keydown", (event) => {
    toLines(event);
    typeDigit(event);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "duty-form") return;
    event.preventDefault();
    const party = event.target.elements.accepted_by.value;
    send("POST", `/api/calls/${event.target.dataset.call}/linkage/duty`, { accepted_by: party === "unclear" ? null : party });
  });
  setInterval(heedAlarms, 5000);
}
