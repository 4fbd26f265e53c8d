// Hearing what was said: a line of the transcript, or the words that a field's value came from.

const MESSAGE_MILLISECONDS = 6000; // that a reason why nothing is heard stays

let playing = null; // { path, audio, line }
let asked = 0; // counts, so that an answer that was overtaken is not played

function say(text, isPassing = false) {
  const shown = document.getElementById("sound");
  if (!shown) return;
  shown.textContent = text;
  if (isPassing) setTimeout(() => shown.textContent === text && say(""), MESSAGE_MILLISECONDS);
}

function stop() {
  asked += 1;
  if (!playing) return;
  playing.audio.pause();
  URL.revokeObjectURL(playing.audio.src);
  playing.line?.classList.remove("is-playing");
  playing = null;
  say("");
}

// Play the WAV at `path`; asked for again while it plays, it stops.
export async function play(path, line = null) {
  const isAgain = playing?.path === path;
  stop();
  if (isAgain) return;
  const turn = asked;
  say("正在取录音 …");
  try {
    const answer = await fetch(path, { headers: { "Desk-Fragment": "1" } });
    const problem = answer.ok ? "" : await answer.text();
    const wav = answer.ok ? await answer.blob() : null;
    if (turn !== asked) return;
    if (problem) return say(problem, true);
    const audio = new Audio(URL.createObjectURL(wav));
    playing = { path, audio, line };
    audio.addEventListener("ended", () => playing?.audio === audio && stop());
    await audio.play();
    if (turn !== asked) return;
    line?.classList.add("is-playing");
    document.getElementById("sound").dataset.played = path;
    say("正在播放来电录音，再按一次停止");
  } catch (problem) {
    if (turn !== asked) return;
    console.warn("a recording was not played", problem);
    stop();
    say("录音没有播放出来，请再试一次", true);
  }
}

// Play what the value of a field came from, and bring it into sight.
export function playEvidence(field) {
  const form = document.getElementById("ticket-form");
  if (!form || !field.dataset.utterances) return say("这一项没有记下依据的原话", true);
  const line = document.querySelector("#said > .line-evidence");
  line?.scrollIntoView({ block: "nearest" });
  play(`/tickets/${form.dataset.ticket}/sound/field/${field.dataset.field}`, line);
}

export function listenSound() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-play]");
    if (button) play(button.dataset.play, button.closest(".line"));
  });
}

// ---- the words themselves, marked in the lines without touching what the lines are made of

function rangesOf(line, words) {
  const walk = document.createTreeWalker(line.querySelector("p"), NodeFilter.SHOW_TEXT);
  let text = "";
  const at = []; // for each character as it was heard: its node, and from where to where it stands there
  const add = (character, node, from, to) => {
    text += character;
    at.push([node, from, to]);
  };
  while (walk.nextNode()) {
    const node = walk.currentNode, heard = node.parentElement.dataset.heard;
    // What is written otherwise than it was heard is marked as a whole.
    if (heard) for (const character of heard.split("")) add(character, node, 0, node.length);
    else node.data.split("").forEach((character, place) => /[\s，。？！、]/.test(character) || add(character, node, place, place + 1));
  }
  return words.flatMap((word) => {
    const first = text.indexOf(word), last = first + word.length - 1;
    if (first < 0 || !at[last]) return [];
    const range = new Range();
    range.setStart(at[first][0], at[first][1]);
    range.setEnd(at[last][0], at[last][2]);
    return [range];
  });
}

export function highlight(lines, words) {
  if (!window.Highlight) return; // an older browser still marks the lines
  const wanted = words.map((word) => word.replaceAll(" ", "")).filter(Boolean);
  CSS.highlights.set("evidence", new Highlight(...lines.flatMap((line) => rangesOf(line, wanted))));
}
