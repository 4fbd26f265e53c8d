"""Where a ticket's matter is, from the text of its place: the gazetteer's entry, and what the text adds to it.

The whole text is a place, unlike a spoken sentence; so spellings that are also ordinary words, and names that were
written by their sound (严造 for 盐灶), are taken for places here without further context.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from pypinyin import lazy_pinyin

from routing.jurisdiction import Jurisdiction, Place
from routing.reading.places import place_of
from routing.reading.spoken import Heard, plain

_CUE = "在"
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Whereabouts:
    """`place`: the gazetteer's entry, None when none is named. `sound`: the syllables of all of the text."""

    place: Place | None
    sound: str

    @property
    def name(self) -> str:
        """The name of the entry; empty when there is none."""
        return self.place.name if self.place else ""


@lru_cache(maxsize=16384)
def whereabouts(jurisdiction: Jurisdiction, text: str) -> Whereabouts:
    """Where `text` is. Pure; an empty text is nowhere."""
    written = plain(text)
    if not written:
        return Whereabouts(None, "")
    heard = place_of([Heard(0, "caller", _CUE + written, _NEVER)], jurisdiction)
    place = heard.place if heard is not None else None
    if place is not None and place.kind == "generic":
        place = None
    return Whereabouts(place, sound(written))


@lru_cache(maxsize=16384)
def sound(text: str) -> str:
    """The syllables of a text without tones, parted by blanks: the same for all spellings of one sound."""
    return " ".join(lazy_pinyin(plain(text)))


def entry(jurisdiction: Jurisdiction, name: str) -> Place | None:
    """The gazetteer's entry of this very name, or None."""
    return _entries(jurisdiction).get(name)


@lru_cache(maxsize=8)
def _entries(jurisdiction: Jurisdiction) -> dict[str, Place]:
    return {place.name: place for place in jurisdiction.places}
