"""What was said, made ready for reading: one text without the recogniser's spaces, its gaps marked.

Vosk puts spaces between words, other engines do not; a gap (`[unk]`) is a word that was not recognised. No phrase
may be found across a gap, and no gap may get into a ticket as if it were a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Generic, TypeVar

GAP = "\x00"
"""Stands for words that were not recognised."""

PayloadT = TypeVar("PayloadT")

_UNKNOWN = re.compile(r"[\[<(（【]\s*(?:unk|spn|noise|laughter)\s*[\])>）】]", re.IGNORECASE)
_BETWEEN_LATIN = re.compile(r"(?<=[a-z])\s+(?=[a-z])")
_CLAUSE = re.compile(r"[^，。！？；,.!?;、\n]+")


@dataclass(frozen=True)
class Heard:
    """One utterance: `number` names it in what is found in it, `speaker` is caller or agent."""

    number: int
    speaker: str
    text: str
    at: datetime


@dataclass(frozen=True)
class Found(Generic[PayloadT]):
    """A phrase that occurs at `start` to `end` (positions in the plain text), and what it stands for."""

    start: int
    end: int
    phrase: str
    payloads: tuple[PayloadT, ...]


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """The text without spaces (one is kept between Latin words), half-width, lower case, gaps as `GAP`."""
    marked = unicodedata.normalize("NFKC", _UNKNOWN.sub(GAP, text)).lower()
    # NFKC makes the full-width comma half-width; both end a clause.
    spaced = _BETWEEN_LATIN.sub("\x01", marked.strip())
    return re.sub(r"\s+", "", spaced).replace("\x01", " ")


def clauses(text: str) -> list[str]:
    """The parts of a plain text between punctuation marks; a recogniser that sets none gives one."""
    return _CLAUSE.findall(text)


def readable(text: str) -> str:
    """A plain text as a ticket may hold it: gaps shown as an ellipsis inside, left out at the ends."""
    return re.sub(rf"{GAP}+", "…", text.strip(GAP))


def of_caller(utterances: Sequence[Heard]) -> list[Heard]:
    """Only what the caller said, in the order given: an agent's questions are no facts."""
    return [heard for heard in utterances if heard.speaker == "caller"]


class Phrases(Generic[PayloadT]):
    """Finds many fixed phrases in a text at once; one phrase may stand for several things."""

    def __init__(self, entries: Iterable[tuple[str, PayloadT]]) -> None:
        payloads: dict[str, list[PayloadT]] = {}
        for phrase, payload in entries:
            payloads.setdefault(plain(phrase), []).append(payload)
        self._payloads = {phrase: tuple(those) for phrase, those in payloads.items()}
        self._by_first: dict[str, list[str]] = {}
        for phrase in sorted(self._payloads, key=len, reverse=True):
            self._by_first.setdefault(phrase[0], []).append(phrase)

    def find(self, text: str) -> list[Found[PayloadT]]:
        """All occurrences in a plain text, save those that lie inside a longer one, from left to right."""
        found: list[Found[PayloadT]] = []
        reach = 0
        for start, character in enumerate(text):
            for phrase in self._by_first.get(character, ()):
                if text.startswith(phrase, start):
                    end = start + len(phrase)
                    # What began earlier and reaches as far holds this one; the longest at one start comes first.
                    if end > reach:
                        found.append(Found(start, end, phrase, self._payloads[phrase]))
                        reach = end
                    break
        return found
