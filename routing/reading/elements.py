"""The five elements of a matter (QH-1, S7) and the callback number, from what the caller has said so far.

Time, place, person, event, demand: each with the words that led to it, how sure it is (0-1) and the utterances.
Pure: the same transcript gives the same elements. What the agent says is no source; the agent writes it down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from routing.jurisdiction import Jurisdiction, Place
from routing.reading.gazetteer import load_words
from routing.reading.persons import Wish, person_of
from routing.reading.places import place_of
from routing.reading.spoken import Heard
from routing.reading.spoken_time import time_of
from routing.reading.statements import demand_of, event_of
from routing.reading.telephone_numbers import callback_number

__all__ = ["Element", "Elements", "Heard", "extract", "ready"]

_ANYTHING, _AT = "你好昨天晚上这里的路灯坏了", datetime(2021, 7, 16, tzinfo=UTC)


@dataclass(frozen=True)
class Element:
    """A value as a ticket holds it, and where it comes from. `utterances` are the numbers of what was heard."""

    value: str
    words: tuple[str, ...]
    confidence: float
    utterances: tuple[int, ...]


@dataclass(frozen=True)
class Elements:
    """What is known so far; None: not said. `recognised_place` decides the territorial unit; `place_candidates` are
    the places of one name or of nearly one sound that the caller has to be asked about (empty: it is sure); `wishes`
    are what the caller asked for by YZ-26: identity or content confidential, or to stay anonymous.
    """

    time: Element | None = None
    place: Element | None = None
    person: Element | None = None
    event: Element | None = None
    demand: Element | None = None
    callback_number: Element | None = None
    recognised_place: Place | None = None
    place_candidates: tuple[Place, ...] = ()
    wishes: frozenset[Wish] = frozenset()

    def named(self) -> dict[str, Element | None]:
        """The elements by the names of the ticket's fields."""
        return {
            "time": self.time,
            "place": self.place,
            "person": self.person,
            "event": self.event,
            "demand": self.demand,
            "callback_number": self.callback_number,
        }


def ready(jurisdiction: Jurisdiction) -> None:
    """Load what the first reading needs (lists of words, gazetteer; half a second), so that no call waits for it."""
    load_words()
    extract([Heard(1, "caller", _ANYTHING, _AT)], jurisdiction, _AT)


def extract(utterances: Sequence[Heard], jurisdiction: Jurisdiction, called_at: datetime) -> Elements:
    """The elements in a transcript; `called_at` (aware) is what 昨天 and 刚才 are counted from."""
    time = time_of(utterances, called_at.astimezone(jurisdiction.zone))
    place = place_of(utterances, jurisdiction)
    person = person_of(utterances, jurisdiction)
    event = event_of(utterances, jurisdiction)
    demand = demand_of(utterances, jurisdiction)
    number = callback_number(utterances)
    return Elements(
        time=Element(time.value, time.words, time.confidence, time.utterances) if time else None,
        place=Element(place.value, place.words, place.confidence, place.utterances) if place else None,
        person=Element(person.value, person.words, person.confidence, person.utterances) if person else None,
        event=Element(event.value, event.words, event.confidence, event.utterances) if event else None,
        demand=Element(demand.value, demand.words, demand.confidence, demand.utterances) if demand else None,
        callback_number=Element(number.digits, number.words, number.confidence, number.utterances) if number else None,
        recognised_place=place.place if place else None,
        place_candidates=place.candidates if place else (),
        wishes=person.wishes if person else frozenset(),
    )
