"""Marks added up: how many of what was said were read rightly (recall), how many of what was read were right
(precision), each with the interval that so few cases allow."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from evaluation.marks import Mark, Outcome

_Z = 1.959964
"""Standard deviations on either side of a 95 % interval."""


@dataclass(frozen=True)
class Measured:
    """An element as the table shows it. `aim` in per cent of recall; `choice`: always answered, so that
    recall and precision are one; `weight` of a mistake when the worst cases are sought."""

    element: str
    name: str
    aim: float | None = None
    choice: bool = False
    weight: float = 1.0


ELEMENTS = (
    Measured("place", "place (unit, words, asked when it must be)", 95),
    Measured("place_unit", "- its territorial unit", weight=0),
    Measured("place_words", "- its words", weight=0),
    Measured("place_asked", "- homonyms asked", weight=0),
    Measured("callback_number", "callback number", 99),
    Measured("time", "time (date and part)", 90),
    Measured("person", "person", weight=0.5),
    Measured("wishes", "wishes (anonymous, confidential)", weight=0.5),
    Measured("demand", "demand, whether there is one", weight=0.5),
    Measured("demand_pieces", "- pieces of the demand", weight=0.2),
    Measured("event_pieces", "pieces of the event", weight=0.2),
    Measured("matter", "matter, first", choice=True),
    Measured("matter_3", "matter, among the first three", choice=True),
    Measured("unit", "functional unit, first", 85, choice=True),
    Measured("unit_best", "- first is the label's very first", choice=True, weight=0),
    Measured("unit_3", "functional unit, among the first three", 95, choice=True),
    Measured("intent", "intent", 90, choice=True),
    Measured("urgency", "urgency", choice=True),
    Measured("emergency", "emergency: the line needed most", 100, weight=5),
    Measured("danger", "- danger noticed, by a line or the urgency", weight=0),
    Measured("lines", "- each of the lines", weight=0.5),
    Measured("scope", "scope", choice=True),
    Measured("refuse_ground", "ground of refusal", weight=0.5),
    Measured("further_matters", "further matters of a call"),
)


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """0-1; None of nothing."""
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval, 0-1."""
        if not self.whole:
            return 0.0, 1.0
        n, p = self.whole, self.part / self.whole
        middle = p + _Z**2 / (2 * n)
        spread = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
        total = 1 + _Z**2 / n
        return max(0.0, (middle - spread) / total), min(1.0, (middle + spread) / total)


@dataclass
class Tally:
    """The outcomes of one element."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)

    @property
    def recall(self) -> Share:
        """Of what was said, what was read rightly."""
        right = self.outcomes[Outcome.RIGHT]
        return Share(right, right + self.outcomes[Outcome.WRONG] + self.outcomes[Outcome.MISSED])

    @property
    def precision(self) -> Share:
        """Of what was read, what is right."""
        right = self.outcomes[Outcome.RIGHT]
        return Share(right, right + self.outcomes[Outcome.WRONG] + self.outcomes[Outcome.INVENTED])

    @property
    def false_proposals(self) -> Share:
        """Of the calls in which nothing of the kind was said, those in which something was read."""
        invented = self.outcomes[Outcome.INVENTED]
        return Share(invented, invented + self.outcomes[Outcome.SILENT])


def added_up(marks: Iterable[Mark]) -> dict[str, Tally]:
    """A tally for each element of `ELEMENTS`."""
    tallies = {one.element: Tally() for one in ELEMENTS}
    for mark in marks:
        tallies[mark.element].outcomes[mark.outcome] += 1
    return tallies


def badness(marks: Iterable[Mark]) -> float:
    """How far a call's answer is off: the weights of its mistakes."""
    weights = {one.element: one.weight for one in ELEMENTS}
    return sum(weights[mark.element] for mark in mistakes(marks))


def mistakes(marks: Iterable[Mark]) -> list[Mark]:
    """The marks that are neither right nor rightly silent."""
    return [mark for mark in marks if mark.outcome not in (Outcome.RIGHT, Outcome.SILENT)]
