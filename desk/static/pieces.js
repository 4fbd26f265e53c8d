// Pieces of the page that the server rendered again, put in place with as little disturbance as can be: elements are
// matched by id, equal ones are not touched, so that focus, selection and scroll position stay.
import { patchField, stash, sticks, unstash } from "./fields.js";

function patch(old, fresh) {
  if (old.isEqualNode(fresh) || "kept" in old.dataset) return;
  if (old.dataset.field) {
    patchField(old, fresh);
  } else if ("keyed" in fresh.dataset) {
    patchChildren(old, fresh);
  } else if (!sticks(old, fresh)) {
    old.replaceWith(fresh);
  }
}

function patchChildren(old, fresh) {
  const atEnd = isAtEnd(old);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const wanted = new Set([...fresh.children].map((child) => child.id));
  for (const child of [...old.children]) if (!wanted.has(child.id)) child.remove();
  const there = new Map([...old.children].map((child) => [child.id, child]));
  [...fresh.children].forEach((child, index) => {
    const kept = there.get(child.id);
    const here = old.children[index] ?? null;
    if (!kept || kept !== here) old.insertBefore(kept ?? child, here);
    if (kept) patch(kept, child);
  });
  if (atEnd && "scroll" in old.dataset) old.scrollTop = old.scrollHeight;
}

export const isAtEnd = (scroll) => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;

// Put all pieces in `html` in place. A piece about another call or ticket than before is exchanged as a whole.
export function place(html) {
  const focus = document.activeElement?.id;
  const fetched = new DOMParser().parseFromString(html, "text/html");
  for (const fresh of fetched.querySelectorAll("[data-part]")) {
    const old = document.getElementById(fresh.id);
    if (!old) continue;
    if (old.dataset.subject === fresh.dataset.subject) {
      patch(old, fresh);
      continue;
    }
    const isTicket = fresh.id === "part-ticket";
    if (isTicket) stash();
    old.replaceWith(fresh);
    if (isTicket) unstash();
    toEnd();
  }
  if (focus && document.activeElement === document.body) document.getElementById(focus)?.focus({ preventScroll: true });
}

export function toEnd() {
  const scroll = document.getElementById("said-scroll");
  if (scroll) scroll.scrollTop = scroll.scrollHeight;
}
