"""The jurisdiction as the ticket form needs it: the choices of each field, their names, and ids for typed names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from routing.jurisdiction import Jurisdiction
from routing.tickets import BadField

CHOSEN = ("intent", "urgency")
"""Fields with few choices (a list to open)."""

SEARCHED = ("matter", "functional_unit", "territorial_unit")
"""Fields with many choices (typed, with suggestions)."""


@dataclass(frozen=True)
class Choice:
    """One thing that a field may hold. `hint` helps to find it, such as a unit's full name."""

    id: str
    name: str
    hint: str = ""


class Catalogue:
    """The choices of one jurisdiction."""

    def __init__(self, jurisdiction: Jurisdiction) -> None:
        units = _told_apart([Choice(unit.id, unit.name, unit.short) for unit in jurisdiction.units.values()])
        self._choices: dict[str, list[Choice]] = {
            "intent": [Choice(intent.id, intent.name) for intent in jurisdiction.intents],
            "urgency": [Choice(urgency.id, urgency.name) for urgency in jurisdiction.urgencies],
            "matter": _told_apart([Choice(matter.id, matter.name) for matter in jurisdiction.matters]),
            "functional_unit": units,
            "territorial_unit": units,
        }
        self._by_id = {field: {c.id: c for c in choices} for field, choices in self._choices.items()}

    def choices(self, field: str) -> list[Choice]:
        """What `field` may hold, in the order of the jurisdiction's file; empty for free text."""
        return self._choices.get(field, [])

    def name(self, field: str, value: str) -> str:
        """What people call `value`; a value that is not in the catalogue (any more) is shown as it is."""
        known = self._by_id.get(field, {}).get(value)
        return known.name if known else value

    def id(self, field: str, text: str) -> str:
        """The id of what was typed: a name, a short name or an id; free text comes back as it is.

        Raises BadField: it names no choice of the field, or more than one.
        """
        choices = self._by_id.get(field)
        typed = text.strip()
        if choices is None:
            return text
        if not typed or typed in choices:
            return typed
        found = [c.id for c in choices.values() if typed == c.name] or [
            c.id for c in choices.values() if typed == c.hint
        ]
        if len(found) != 1:
            raise BadField(f"目录里没有“{typed}”，请从列表中选择", field=field)
        return found[0]


def _told_apart(choices: list[Choice]) -> list[Choice]:
    """The same choices, with the id added to names that two of them bear: a typed name must lead back to one."""
    twice = {name for name, count in Counter(choice.name for choice in choices).items() if count > 1}
    return [
        Choice(choice.id, f"{choice.name}（{choice.id}）", choice.hint) if choice.name in twice else choice
        for choice in choices
    ]
