"""How alike two told matters are: same matter, same place, by sound rather than by spelling (盐灶, 严造).

Only an offer to a person: what is one matter is decided by whoever merges (国办函〔2025〕66号).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rapidfuzz import fuzz

from routing.dispatching.whereabouts import Whereabouts, entry, sound, whereabouts
from routing.jurisdiction import Jurisdiction, Place

_PLACE, _DETAIL, _EVENT, _CALLER = 0.45, 0.25, 0.2, 0.1
"""What the parts weigh; together 1."""

_WIDE = 0.5
"""What a wide place is worth: two street lamps in one district are seldom one street lamp."""
_WIDE_KINDS = ("district", "big_community", "road")

_UNSAID = 0.5
"""A part that one of the two does not tell speaks neither for nor against."""

_SAME_SOUND = 0.8
"""From this likeness on, two places that the gazetteer does not know are one."""

_SAME_EVENT = 0.5
"""From this likeness on, one caller tells the same again where no matter is named."""

_CHANCE = 0.4
"""How alike the syllables of two unrelated texts are by chance."""

OFFERED = 0.6
"""What scores less is not offered to anybody."""


@dataclass(frozen=True)
class Told:
    """A matter as a ticket tells it. `place`: the gazetteer's name, empty when not known; `at`: when it was told."""

    matter: str
    place: str
    place_text: str
    event: str
    caller_key: str
    at: datetime


@dataclass(frozen=True)
class Likeness:
    """`score` 0-1, and the reasons in Chinese for the person who decides."""

    score: float
    reasons: tuple[str, ...]
    same_caller: bool


def likeness(jurisdiction: Jurisdiction, one: Told, other: Told) -> Likeness | None:
    """How alike two matters are; None when they are none: another matter, or another place. Pure, symmetric.

    What two different callers tell of no place is not the same; what one caller tells twice may be. Where nobody named
    the matter (a jurisdiction without a catalogue), only what one caller tells in much the same words is.
    """
    same_caller = bool(one.caller_key) and one.caller_key == other.caller_key
    event = _alike(sound(one.event), sound(other.event))
    if one.matter != other.matter or not (one.matter or (same_caller and (event or 0) >= _SAME_EVENT)):
        return None
    here, there = _where(jurisdiction, one), _where(jurisdiction, other)
    name = jurisdiction.name_of("matter", one.matter)
    reasons = [f"同一事项“{name}”"] if name else []
    if here.place is not None and there.place is not None:
        if here.place != there.place:
            return None
        worth = _WIDE if here.place.kind in _WIDE_KINDS else 1.0
        reasons.append(f"同一地点“{here.name}”")
    elif here.place is None and there.place is None and here.sound and there.sound:
        worth = fuzz.ratio(here.sound, there.sound) / 100
        if worth < _SAME_SOUND:
            return None
        reasons.append(f"地点读音相近（{worth:.0%}）")
    elif same_caller and not (here.sound and there.sound):
        worth = _UNSAID
    else:
        return None
    detail = _detail(here, there)
    if detail is not None and detail >= _SAME_SOUND:
        worth = max(worth, detail)  # the same gate of the same market: the place is not wide any more
    elif here.place is not None and here.place.kind in _WIDE_KINDS:
        reasons.append("地点范围较大，请核对")
    score = _PLACE * worth
    score += _DETAIL * (_UNSAID if detail is None else detail)
    if detail is not None:
        reasons.append(f"具体位置相近程度 {detail:.0%}")
    score += _EVENT * (_UNSAID if event is None else event)
    if event is not None:
        reasons.append(f"所述情况相近程度 {event:.0%}")
    if same_caller:
        score += _CALLER
        reasons.append("同一诉求人")
    return Likeness(round(score, 3), tuple(reasons), same_caller)


def _where(jurisdiction: Jurisdiction, told: Told) -> Whereabouts:
    found = whereabouts(jurisdiction, told.place_text)
    known = entry(jurisdiction, told.place)
    return Whereabouts(known, found.sound) if known is not None else found


def _detail(here: Whereabouts, there: Whereabouts) -> float | None:
    """How alike what they add to the place is; None when one of them adds nothing."""
    if here.place is None or there.place is None:
        return _alike(here.sound, there.sound)
    return _alike(_beyond(here.place, here.sound), _beyond(there.place, there.sound))


def _beyond(place: Place, said: str) -> str:
    """The sound of what the text adds to the gazetteer's name."""
    for spelling in sorted((place.name, *place.also, *place.in_context), key=len, reverse=True):
        spoken = sound(spelling)
        if spoken in said:
            return said.replace(spoken, " ", 1).strip()
    # The name was heard in another form (海棠 of 海棠村); without the last character it is still the name.
    shorter = sound(place.name[:-1]) if len(place.name) > 2 else ""
    return said.replace(shorter, " ", 1).strip() if shorter else said


def _alike(ours: str, theirs: str) -> float | None:
    if not ours or not theirs:
        return None
    return max(0.0, (fuzz.token_set_ratio(ours, theirs) / 100 - _CHANCE) / (1 - _CHANCE))
