"""The telephone number that a caller reads out to be called back on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from routing.reading.spoken import Heard, of_caller, plain
from routing.reading.spoken_numbers import digit

_CUE = re.compile(r"电话|手机|号码|联系|打我|打给我|回电|回拨")
_JOIN = frozenset("-—－, ，、。 杠转")
_MOBILE = re.compile(r"(?<!\d)(?:86)?(1[3-9]\d{9})(?!\d)")
_LANDLINE = re.compile(r"(?<!\d)(0[1-9]\d{1,2}[2-8]\d{6,7})(?!\d)")
_LOCAL = re.compile(r"(?<!\d)([2-8]\d{7})(?!\d)")
_ONLY_DIGITS = re.compile(r"^(?:嗯|啊|呃|是|对|好)*[\d]+(?:对|嗯|啊|的)*$")


@dataclass(frozen=True)
class NumberHeard:
    """A complete number (digits only), the words that it was said in, and the utterances."""

    digits: str
    words: tuple[str, ...]
    utterances: tuple[int, ...]
    confidence: float


def callback_number(utterances: Sequence[Heard]) -> NumberHeard | None:
    """The last complete number that the caller read out: 11-digit mobile, or landline with or without its area.

    Read out in pieces over several utterances it counts too. An incomplete number is none: a wrong one is worse.
    """
    best: NumberHeard | None = None
    open_run: list[tuple[Heard, str]] = []
    for heard in of_caller(utterances):
        text = plain(heard.text)
        digits = _as_digits(text)
        found = _number_in(digits, cued=bool(_CUE.search(text)))
        if found:
            best = NumberHeard(found, (heard.text,), (heard.number,), 0.9)
            open_run = []
            continue
        if _CUE.search(text):
            # "我的电话是一三八" and the rest in the next breath.
            tail = re.search(r"\d+$", digits)
            open_run = [(heard, tail.group() if tail else "")]
        elif _ONLY_DIGITS.match(digits):
            open_run.append((heard, re.sub(r"\D", "", digits)))
        else:
            open_run = []
        pieces = [(said, part) for said, part in open_run if part]
        found = _number_in("".join(part for _, part in pieces), cued=len(pieces) < len(open_run) or _cued(pieces))
        if found:
            best = NumberHeard(found, tuple(s.text for s, _ in pieces), tuple(s.number for s, _ in pieces), 0.8)
            open_run = []
    return best


def _cued(pieces: Sequence[tuple[Heard, str]]) -> bool:
    return any(_CUE.search(said.text.replace(" ", "")) for said, _ in pieces)


def _as_digits(text: str) -> str:
    """The text with spoken digits as 0-9; single ones inside ordinary words are turned too, and do no harm."""
    turned: list[str] = []
    for position, character in enumerate(text):
        spoken = digit(character)
        if spoken is not None:
            turned.append(spoken)
        elif character in _JOIN and turned and turned[-1].isdigit() and _digit_follows(text, position):
            continue
        else:
            turned.append(character)
    return "".join(turned)


def _digit_follows(text: str, position: int) -> bool:
    return position + 1 < len(text) and digit(text[position + 1]) is not None


def _number_in(digits: str, *, cued: bool) -> str | None:
    found = [*_MOBILE.finditer(digits), *_LANDLINE.finditer(digits)]
    if not found and cued:
        # Eight digits alone could be anything; after "电话" they are a local number.
        found = list(_LOCAL.finditer(digits))
    return max(found, key=lambda match: match.start()).group(1) if found else None
