"""One call marked: for each element whether what was read is what a careful agent would have written.

Whatever can be left out has five outcomes; what is always answered (scope, intent) is right or wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from evaluation.cases import Case, MatterLabel
from evaluation.likeness import holds, holds_by_sound
from routing.jurisdiction import Jurisdiction
from routing.reading.account import account
from routing.reading.elements import extract
from routing.reading.proposal import propose
from routing.reading.spoken import Heard

DISCIPLINE = "party_discipline"
"""The matter of which the law of a jurisdiction says whether it is taken in."""

GUIDE = "guide"
"""The urgency whose callers are connected to a line."""
_URGENT = {"emergency", GUIDE}


class Outcome(Enum):
    """RIGHT, WRONG and MISSED: something was said. INVENTED and SILENT: nothing was, and a value was given or not."""

    RIGHT = "right"
    WRONG = "wrong"
    MISSED = "missed"
    INVENTED = "invented"
    SILENT = "silent"


@dataclass(frozen=True)
class Mark:
    """One element of one call, with what was expected and what was read, for people."""

    element: str
    outcome: Outcome
    expected: str = ""
    got: str = ""


@dataclass(frozen=True)
class Answer:
    """What the reading makes of a call: its account, the ranking of the main matter (ids), the event's text."""

    account: dict[str, Any]
    matters: tuple[str, ...] = ()
    event: str = ""


def read(heard: Sequence[Heard], jurisdiction: Jurisdiction, called_at: datetime) -> Answer:
    """The reading's answer to a transcript."""
    # The account holds the best matter only, and no event: those are read beside it.
    elements = extract(heard, jurisdiction, called_at)
    ranked = propose(heard, elements, jurisdiction).matters
    event = elements.event.value if elements.event else ""
    return Answer(account(heard, jurisdiction, called_at), tuple(one.id for one in ranked), event)


def marks_of(case: Case, answer: Answer) -> list[Mark]:
    """All marks of a call."""
    told = answer.account
    return [
        *_place(case, told["place"]),
        _time(case, told["time"]),
        *_person(case, told["persons"]),
        _number(case, told["callback_number"]),
        *_demand(case, told["demand"]),
        *_pieces("event_pieces", case.event, answer.event),
        *_matters(case, answer),
        *_danger(case, told),
        *_scope(case, told),
    ]


def judged(element: str, expected: Sequence[str], got: str, *, right: bool) -> Mark:
    """The mark of an element that may be left out on both sides."""
    if not expected:
        outcome = Outcome.INVENTED if got else Outcome.SILENT
    elif not got:
        outcome = Outcome.MISSED
    else:
        outcome = Outcome.RIGHT if right else Outcome.WRONG
    return Mark(element, outcome, " / ".join(expected), got)


def _chosen(element: str, expected: Sequence[str], got: str | None) -> Mark:
    return Mark(element, Outcome.RIGHT if got in expected else Outcome.WRONG, " / ".join(expected), got or "")


def _place(case: Case, told: dict[str, Any] | None) -> list[Mark]:
    value, unit, ask = (told["value"], told["unit"] or "", told["ask"]) if told else ("", "", [])
    label = case.place
    expected_words = label.words if label else ()
    same_unit = unit == ((label.unit or "") if label else "")
    words = bool(value) and (not expected_words or any(_names(value, one, same_unit) for one in expected_words))
    asked = bool(ask) or not case.ask_place
    shown = f"{value} [{unit or 'no unit'}]{' asks ' + '/'.join(ask) if ask else ''}" if value else ""
    expected = (
        [f"{'/'.join(label.words)} [{label.unit or ('to be asked' if case.ask_place else 'no unit')}]"] if label else []
    )
    return [
        judged("place", expected, shown, right=words and same_unit and asked),
        judged("place_words", expected_words, value, right=words),
        judged("place_unit", [label.unit] if label and label.unit else [], unit, right=same_unit),
        judged("place_asked", ["asked"] if case.ask_place else [], "/".join(ask), right=not unit),
    ]


def _names(value: str, name: str, same_unit: bool) -> bool:
    """Whether the value names the place; 村 and 社区 may be left out when the unit is right all the same."""
    return holds_by_sound(value, name) or (same_unit and holds_by_sound(value, _KIND.sub("", name)))


_KIND = re.compile(r"(?<=..)(?:大社区|社区|村|居)$")


def _time(case: Case, told: dict[str, Any] | None) -> Mark:
    value, words = (told["value"], told["words"]) if told else ("", [])
    return judged("time", case.time, value, right=any(same_time(one, value, words) for one in case.time))


def same_time(expected: str, got: str, words: Sequence[str] = ()) -> bool:
    """Whether two times of the house format agree in date and part of the day; since (起) and about (前后, 时许) are
    left out. A vague one agrees with one that was read from the same `words`, unless that is a day or month made up.
    """
    if not got:
        return False
    if expected[:4].isdigit():
        return _bare(expected) == _bare(got)
    if _MADE_UP.match(got) and "至" not in got:
        return False
    return any(one and (holds(one, expected) or holds(expected, one)) for one in (got, *words))


_MADE_UP = re.compile(r"\d{4}-")
_ABOUT_THE_HOUR = re.compile(r"(\d{2})时许")


def _bare(time: str) -> str:
    return _ABOUT_THE_HOUR.sub(r"\1:00", time.removesuffix("起").strip().removesuffix("前后").strip())


def _person(case: Case, told: list[dict[str, Any]]) -> list[Mark]:
    name = told[0]["value"] if told else ""
    wishes = sorted(told[0]["wishes"]) if told else []
    return [
        judged("person", case.person, name, right=name in case.person),
        judged("wishes", sorted(case.wishes), " ".join(wishes), right=wishes == sorted(case.wishes)),
    ]


def _number(case: Case, told: str | None) -> Mark:
    got = told or ""
    expected = [case.callback_number] if case.callback_number else []
    return judged("callback_number", expected, got, right=_digits(got) == _digits(case.callback_number))


def _digits(number: str) -> str:
    return "".join(character for character in number if character.isdigit())


def _demand(case: Case, told: dict[str, Any] | None) -> list[Mark]:
    value = told["value"] if told else ""
    return [judged("demand", case.demand, value, right=True), *_pieces("demand_pieces", case.demand, value)]


def _pieces(element: str, pieces: Sequence[str], value: str) -> list[Mark]:
    return [judged(element, [piece], value, right=holds(value, piece)) for piece in pieces]


def _matters(case: Case, answer: Answer) -> list[Mark]:
    told = answer.account["matters"]
    got = told[0] if told else {"matter": None, "intent": None, "urgency": None, "units": []}
    if not case.matters:
        return [judged("matter", [], got["matter"] or "", right=True)] if "clarify" in case.scope else []
    label = case.matters[0]
    best_three = [one for one in answer.matters[:3] if one in label.matter]
    marks = [
        _chosen("matter", label.matter, got["matter"]),
        Mark(
            "matter_3",
            Outcome.RIGHT if best_three else Outcome.WRONG,
            " / ".join(label.matter),
            " ".join(answer.matters[:3]),
        ),
        _chosen("intent", label.intent, got["intent"]),
        _chosen("urgency", label.urgency, got["urgency"]),
    ]
    if label.units:
        units = got["units"]
        among = any(one in label.units for one in units[:3])
        marks.append(_chosen("unit", label.units, units[0] if units else None))
        marks.append(_chosen("unit_best", label.units[:1], units[0] if units else None))
        shown = " ".join(units[:3])
        marks.append(Mark("unit_3", Outcome.RIGHT if among else Outcome.WRONG, " / ".join(label.units), shown))
    return [*marks, *_further(case.matters, [one["matter"] or "" for one in told])]


def _further(labels: Sequence[MatterLabel], got: Sequence[str]) -> list[Mark]:
    """The matters after the first, on both sides; in what order they were told does not count."""
    left = list(enumerate(got))
    unmatched: list[MatterLabel] = []
    marks: list[Mark] = []
    for position, label in enumerate(labels):
        hit = next((one for one in left if one[1] in label.matter), None)
        if hit:
            left.remove(hit)
        if position == 0:
            continue
        if hit:
            marks.append(Mark("further_matters", Outcome.RIGHT, " / ".join(label.matter), hit[1]))
        else:
            unmatched.append(label)
    extra = [matter for position, matter in left if position > 0]
    for label in unmatched:
        marks.append(judged("further_matters", [" / ".join(label.matter)], extra.pop(0) if extra else "", right=False))
    marks += [judged("further_matters", [], matter or "unknown", right=False) for matter in extra]
    return marks or [Mark("further_matters", Outcome.SILENT)]


def _danger(case: Case, told: dict[str, Any]) -> list[Mark]:
    lines = told["lines"]
    if not case.lines and case.matters and GUIDE in case.matters[0].urgency:
        # To connect the caller to a line would be as right as not to.
        return []
    marks = [
        judged("emergency", case.lines[:1], " ".join(lines), right=bool(case.lines) and case.lines[0] in lines),
        *_noticed(case, told),
    ]
    marks += [judged("lines", [line], line if line in lines else "", right=True) for line in case.lines]
    marks += [judged("lines", [], line, right=False) for line in lines if line not in case.lines]
    if not case.lines and not lines:
        marks.append(Mark("lines", Outcome.SILENT))
    return marks


def _noticed(case: Case, told: dict[str, Any]) -> list[Mark]:
    """Whether danger was noticed at all; nothing where to be urgent would be as right as not to."""
    urgent = bool(told["lines"]) or any(one["urgency"] in _URGENT for one in told["matters"][:1])
    if not case.lines and case.matters and _URGENT & set(case.matters[0].urgency):
        return []
    return [judged("danger", ["danger"] if case.lines else [], "danger" if urgent else "", right=True)]


def _scope(case: Case, told: dict[str, Any]) -> list[Mark]:
    expected = case.scope
    if case.matters and DISCIPLINE in case.matters[0].matter:
        expected = (*expected, "discipline")
    refused = told["refuse_ground"] or ""
    return [
        _chosen("scope", expected, told["scope"]),
        judged("refuse_ground", case.refuse_ground, refused, right=refused in case.refuse_ground),
    ]
