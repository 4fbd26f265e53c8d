// The desk's page: hears what happens (server-sent events), fetches the pieces that changed, saves what is typed,
// and opens the agent's call by itself when it is answered.
import {
  acceptedIn, anythingUnsaved, control, dirty, fields, fill, focused, forgetAccepted, listen, showEvidence, toBeSaved,
} from "./fields.js";
import { heedAlarms, listenLinkage } from "./linkage.js";
import { dropInterims, interim, learnTime, tick } from "./now.js";
import { place, toEnd } from "./pieces.js";
import { listenSound } from "./sound.js";
import { listenSuggestions } from "./suggestions.js";

const main = document.getElementById("main");
const isDesk = document.body.classList.contains("desk");
const everything = main.dataset.want.split(",");
const ofTheCall = ["linkage", "transcript", "suggestions", "ticket"];
const lists = everything.filter((part) => !ofTheCall.includes(part));

let open = main.dataset.open; // "call=..." or "ticket=..." or ""

// One thing after the other, so that answers never overtake each other; what fails does not stop the rest.
let work = Promise.resolve();

function enqueue(task) {
  work = work.then(task).catch((problem) => {
    console.error("the desk's page failed", problem);
    say("页面出错，请刷新（先抄下没有保存的内容）");
  });
}

// ---- fetching

// Ask the server; gives the status (0: not reached) and the pieces of the page in its answer, or "".
async function ask(path, options = {}) {
  let answer, text;
  try {
    answer = await fetch(path, { ...options, headers: { "Desk-Fragment": "1" } });
    text = await answer.text();
  } catch (problem) {
    console.warn("the server was not reached", problem);
    say("连接不到服务器，正在重试；没有保存的内容还在这里");
    poll(true);
    return [0, ""];
  }
  learnTime(answer);
  const isPiece = (answer.headers.get("Content-Type") ?? "").startsWith("text/html");
  if (answer.status === 401) say("登录已过期，请在新标签页登录，这里的内容不会丢失");
  else say(isPiece ? "" : text || `服务器返回 ${answer.status}`);
  return [answer.status, isPiece ? text : ""];
}

async function refresh(parts) {
  const asked = open;
  const [, html] = await ask(`/parts?want=${parts.join(",")}&${asked || main.dataset.query || ""}`);
  if (html && asked === open) show(html);
}

let waiting = new Set(), timer = 0, due = Infinity;

// Fetch `parts` within so many milliseconds, together with what else is asked for until then.
function refreshSoon(parts, within) {
  parts.forEach((part) => waiting.add(part));
  if (performance.now() + within >= due) return;
  due = performance.now() + within;
  clearTimeout(timer);
  timer = setTimeout(() => {
    const wanted = [...waiting];
    waiting = new Set();
    due = Infinity;
    enqueue(() => refresh(wanted));
  }, within);
}

function show(html) {
  place(html);
  dropInterims();
  showEvidence();
  tick();
  heedAlarms();
  openOwnCall();
}

// ---- which call is open

function openOwnCall() {
  const own = document.querySelector("[data-own-call]")?.dataset.ownCall;
  // Once per call: the agent may look at something else while talking.
  if (!own || own === sessionStorage.getItem("ownCall")) return;
  sessionStorage.setItem("ownCall", own);
  if (!isDesk) location.assign(`/?call=${own}`);
  else if (open !== `call=${own}`) go(`call=${own}`);
}

function go(query) {
  if (query === open) return;
  save();
  history.pushState({}, "", `/?${query}`);
  follow(query);
}

function follow(query) {
  enqueue(async () => {
    open = query;
    await refresh(everything);
    connect();
  });
}

// ---- saving and confirming

function save(isConfirmed = false) {
  const form = document.getElementById("ticket-form");
  if (!form) return;
  enqueue(async () => {
    const touched = [...form.querySelectorAll(".field")].filter(isConfirmed ? dirty : toBeSaved);
    const typed = touched.map((field) => [field.dataset.field, control(field).value]);
    const values = [...new Map([...acceptedIn(form), ...typed])];
    if ("closed" in form.dataset || (!values.length && !isConfirmed)) return;
    const hidden = ["form_token", "version"].map((name) => [name, form.elements[name].value]);
    if (isConfirmed && form.elements.reminded?.checked) hidden.push(["reminded", "yes"]);
    if (isConfirmed && form.elements.scope?.value) hidden.push(["scope", form.elements.scope.value]);
    const path = `/tickets/${form.dataset.ticket}/${isConfirmed ? "confirm" : "edit"}`;
    const [status, html] = await ask(path, { method: "POST", body: new URLSearchParams([...hidden, ...values]) });
    if (html) forgetAccepted(form); // taken, or refused with a reason: no longer to be sent again
    if (!html || !form.isConnected) return;
    for (const message of document.querySelectorAll("[data-sticky]")) message.remove();
    show(html);
    if (status === 200 && !isConfirmed) document.getElementById("saved").textContent = "已保存";
    if (status !== 200) document.querySelector(".field-error")?.closest(".field").scrollIntoView({ block: "nearest" });
    refreshSoon(lists, 100);
  });
}

// ---- what the machine suggests

function decide(values) {
  const ticket = document.getElementById("part-suggestions").dataset.subject;
  const token = document.querySelector("[name=form_token]").value;
  enqueue(async () => {
    const body = new URLSearchParams({ form_token: token, ...values });
    const [, html] = await ask(`/tickets/${ticket}/suggestion`, { method: "POST", body });
    if (html && document.getElementById("part-suggestions").dataset.subject === ticket) show(html);
    refreshSoon(lists, 100);
  });
}

// ---- what happens now

const isWaiting = () => acceptedIn(document.getElementById("ticket-form") ?? { dataset: {} }).length > 0;
let feed = null, polling = 0, trouble = "", isLost = true;

function connect() {
  feed?.close();
  feed = new EventSource(`/live?${open}`);
  feed.addEventListener("change", (event) => changed(JSON.parse(event.data)));
  feed.addEventListener("interim", (event) => {
    const told = JSON.parse(event.data);
    if (open === `call=${told.call_id}` && document.getElementById("interims")) interim(told);
  });
  feed.addEventListener("redis", (event) => {
    poll(!JSON.parse(event.data).ok);
    refreshSoon(everything, 50); // something may have happened while nothing was told
    if (fields().some((field) => toBeSaved(field) && !focused(field)) || isWaiting()) save(); // could not be saved before
  });
  feed.onerror = () => {
    poll(true);
    if (feed.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
  };
}

function changed(told) {
  const shown = document.getElementById("part-transcript")?.dataset.subject; // a further ticket shows its call too
  const isHere = (told.call_id && told.call_id === shown) || open === `call=${told.call_id}` || open === `ticket=${told.ticket_id}`;
  if (isHere) refreshSoon(ofTheCall, 60);
  if (told.kind === "utterance") return;
  // A hundred desks should not ask for their lists in the same instant, nor for each call of the others at once;
  // but a telephone that rings or is answered may be this agent's.
  const isUrgent = told.kind === "agent_ringing" || told.kind === "agent_answered" || /^(linkage|line|alarm)_/.test(told.kind);
  refreshSoon(lists, isHere ? 60 : (isUrgent ? 80 : 800) * (1 + Math.random()));
}

function poll(lost) {
  isLost = lost;
  const shown = document.getElementById("feed");
  shown.dataset.state = lost || trouble ? "lost" : "live";
  shown.firstElementChild.textContent = trouble || (lost ? "实时更新中断，每 3 秒刷新一次" : "实时");
  clearInterval(polling);
  polling = setInterval(() => refreshSoon(everything, 0), lost ? 3000 : 30000);
}

function say(text) {
  if (text === trouble) return;
  trouble = text;
  poll(isLost);
}

// ---- what people do

listen(() => save());
listenSound();
listenSuggestions(decide, (name, value) => fill(document.getElementById(`field-${name}`), value, save));
listenLinkage(() => refreshSoon(everything.filter((part) => part === "linkage" || part === "alarms" || part === "linkages"), 50));
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-open]");
  if (!link || !isDesk || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.dataset.open);
});
document.addEventListener("submit", (event) => {
  if (event.target.id !== "ticket-form") return;
  event.preventDefault();
  save(true);
});
window.addEventListener("popstate", () => {
  follow(location.search.slice(1));
});
window.addEventListener("beforeunload", (event) => {
  if (anythingUnsaved()) event.preventDefault();
});

openOwnCall();
heedAlarms();
toEnd();
tick();
setInterval(tick, 1000);
connect();
