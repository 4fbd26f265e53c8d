"""Wordings of the configuration with gaps and alternatives, found in a text: 灯/路灯…不亮/没亮.

An ellipsis stands for a few characters between, a slash for "or". All parts of all wordings are looked for at once,
so that a thousand wordings cost little more than one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from routing.reading.spoken import GAP, Found, plain

PayloadT = TypeVar("PayloadT")

_MOST_BETWEEN = 8
_ENDS = re.compile(rf"[，。！？；,.!?;\n{GAP}]")
"""No wording reaches over these."""


@dataclass(frozen=True)
class _Wording(Generic[PayloadT]):
    parts: int
    payload: PayloadT


class Wordings(Generic[PayloadT]):
    """Finds many wordings at once; each counts once in a text, where it is first complete."""

    def __init__(self, entries: Iterable[tuple[str, PayloadT]]) -> None:
        self._wordings: list[_Wording[PayloadT]] = []
        self._places: dict[str, list[tuple[int, int]]] = {}
        """For every alternative: in which wordings it stands, and as which part."""
        for wording, payload in entries:
            parts = wording.split("…")
            for part, alternatives in enumerate(parts):
                for one in alternatives.split("/"):
                    self._places.setdefault(plain(one), []).append((len(self._wordings), part))
            self._wordings.append(_Wording(len(parts), payload))
        self._by_first: dict[str, list[str]] = {}
        for one in self._places:
            self._by_first.setdefault(one[0], []).append(one)

    def find(self, text: str) -> list[Found[PayloadT]]:
        """The wordings that the text holds, from left to right."""
        reached: dict[tuple[int, int], list[tuple[int, int]]] = {}
        """Per wording and part: where the wording began, and where the part ended."""
        complete: dict[int, tuple[int, int]] = {}
        for start, character in enumerate(text):
            for one in self._by_first.get(character, ()):
                if text.startswith(one, start):
                    for wording, part in self._places[one]:
                        begun = self._begun(text, start, reached, wording, part)
                        if begun is not None and wording not in complete:
                            end = start + len(one)
                            if part == self._wordings[wording].parts - 1:
                                complete[wording] = (begun, end)
                            else:
                                reached.setdefault((wording, part), []).append((begun, end))
        found = [
            Found(start, end, text[start:end], (self._wordings[wording].payload,))
            for wording, (start, end) in complete.items()
        ]
        return sorted(found, key=lambda one: (one.start, one.end))

    def _begun(
        self, text: str, start: int, reached: dict[tuple[int, int], list[tuple[int, int]]], wording: int, part: int
    ) -> int | None:
        """Where the wording began whose part this is; None when the parts before it were not said."""
        if part == 0:
            return start
        for begun, end in reversed(reached.get((wording, part - 1), ())):
            if end <= start <= end + _MOST_BETWEEN and not _ENDS.search(text[end:start]):
                return begun
        return None
