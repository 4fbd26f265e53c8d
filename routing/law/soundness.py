"""What a `law` section must hold together: every name it uses is known, and no two provisions claim the same ticket.

A file that fails here is refused at start: a ticket with two limits for one clock, or with a limit that no ticket can
ever have, would be noticed only when a citizen had already waited.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from routing.law.law import LISTS, LawOverTime
from routing.law.provisions import (
    Applies,
    Approval,
    CompletionForm,
    Discipline,
    Extension,
    Limit,
    NoExtension,
    Provision,
    Satisfaction,
)

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The ids that a jurisdiction knows."""

    intents: frozenset[str]
    classes: frozenset[str]
    urgencies: frozenset[str]
    units: frozenset[str]
    lines: frozenset[str]


def unsound(law: LawOverTime, known: Vocabulary) -> Iterator[tuple[Key, str]]:
    """What is wrong with a law: the key, and what is wrong there and would be right. Nothing: it is sound."""
    for name, versions in _versions(law):
        for version, (place, provision) in enumerate(versions):
            yield from _unknown_names(place, provision, known)
            for other_place, other in versions[version + 1 :]:
                if _same_time(provision, other) and (problem := _clash(name, provision, other)):
                    yield other_place, f"{problem} as {_written(place)} on the same day; end one with until"
    yield from _ratings(law)
    yield from _grounds(law)
    yield from _forms(law)
    yield from _fractions(law)


def _versions(law: LawOverTime) -> Iterator[tuple[str, list[tuple[Key, Provision]]]]:
    for name, versions in law.provisions.items():
        yield name, [(("law", name, index), one) for index, one in enumerate(versions)]


def _written(key: Key) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in key).lstrip(".")


def _same_time(one: Provision, other: Provision) -> bool:
    return (other.until is None or one.since < other.until) and (one.until is None or other.since < one.until)


def _clash(name: str, one: Provision, other: Provision) -> str | None:
    """Why two provisions under the same key, in force at the same time, cannot both be; None: they can."""
    match one, other:
        case Limit(), Limit():
            if (one.clock, one.starts) == (other.clock, other.starts) and one.applies.meets(other.applies):
                return f"limits {one.clock} (from {one.starts}) for the same tickets"
        case Extension(), Extension():
            if one.applies.meets(other.applies):
                return "extends the same tickets"
        case Approval(), Approval():
            if one.redo == other.redo and one.applies.meets(other.applies):
                return "wants approvals for the same results"
        case CompletionForm(), CompletionForm():
            twins = {field.id for field in one.fields} & {field.id for field in other.fields}
            if twins and one.applies.meets(other.applies):
                return f"asks for the field {min(twins)} of the same tickets"
        case NoExtension(), NoExtension():
            return None
        case _ if name not in LISTS:
            return "holds"
        case _:
            name_of_one = _name_in_list(one)
            if name_of_one == _name_in_list(other) and _applies(one).meets(_applies(other)):
                return f"is called {name_of_one}"
    return None


def _applies(provision: Provision) -> Applies:
    applies = getattr(provision, "applies", None)
    return applies if isinstance(applies, Applies) else Applies()


def _name_in_list(provision: Any) -> str:
    """What tells the provisions of a list apart."""
    for attribute in ("id", "code", "trigger", "subject", "kind"):
        if hasattr(provision, attribute):
            return str(getattr(provision, attribute))
    return provision.rule if isinstance(provision, Provision) else ""


def _unknown_names(place: Key, provision: Provision, known: Vocabulary) -> Iterator[tuple[Key, str]]:
    applies = _applies(provision)
    named: list[tuple[Key, str, tuple[str, ...], frozenset[str]]] = [
        ((*place, "applies", "intents"), "intent", applies.intents, known.intents),
        ((*place, "applies", "classes"), "handling class", applies.classes, known.classes),
        ((*place, "applies", "urgencies"), "urgency", applies.urgencies, known.urgencies),
    ]
    for attribute, what, names in (
        ("intents", "intent", known.intents),
        ("unit", "unit", known.units),
        ("line", "line", known.lines),
        ("lines", "line", known.lines),
    ):
        value = getattr(provision, attribute, None)
        if value is not None:
            given = (value,) if isinstance(value, str) else tuple(value)
            named.append(((*place, attribute), what, given, names))
    for key, what, given, names in named:
        for position, name in enumerate(given):
            if name not in names:
                where = key if key[-1] in ("unit", "line") else (*key, position)
                yield where, f"there is no {what} '{name}' (there are: {', '.join(sorted(names)[:12]) or 'none'})"


def _ratings(law: LawOverTime) -> Iterator[tuple[Key, str]]:
    for index, satisfaction in enumerate(law.satisfaction):
        for level in satisfaction.satisfied:
            if level not in satisfaction.levels:
                yield ("law", "satisfaction", index, "satisfied"), f"'{level}' is not one of levels"
        yield from _twin_exclusions(index, satisfaction)
    scales = {level for satisfaction in law.satisfaction for level in satisfaction.levels}
    for index, redo in enumerate(law.redo):
        for position, level in enumerate(redo.after_ratings):
            if level not in scales:
                yield ("law", "redo", index, "after_ratings", position), f"'{level}' is not one of satisfaction.levels"


def _twin_exclusions(index: int, satisfaction: Satisfaction) -> Iterator[tuple[Key, str]]:
    for (_, one), (position, other) in combinations(enumerate(satisfaction.exclusions), 2):
        if one.code == other.code and _same_time(one, other):
            yield ("law", "satisfaction", index, "exclusions", position, "code"), f"'{other.code}' is there twice"


def _grounds(law: LawOverTime) -> Iterator[tuple[Key, str]]:
    """A discipline matter is transferred to a unit, or refused on a ground that exists."""
    codes = {ground.code for ground in law.refusal_grounds}
    for index, one in enumerate(law.discipline):
        place = ("law", "discipline", index)
        yield from _discipline(place, one, codes)


def _discipline(place: Key, one: Discipline, codes: set[str]) -> Iterator[tuple[Key, str]]:
    if one.action == "transfer" and (one.unit is None or one.ground is not None):
        yield (*place, "action"), "a transfer names a unit and no ground"
    if one.action == "refuse" and (one.ground is None or one.unit is not None):
        yield (*place, "action"), "a refusal names a ground and no unit"
    if one.ground is not None and one.ground not in codes:
        yield (*place, "ground"), f"there is no refusal ground '{one.ground}' (there are: {', '.join(sorted(codes))})"


def _forms(law: LawOverTime) -> Iterator[tuple[Key, str]]:
    """A field that is wanted only after an answer names an earlier field of its form, and one of its choices."""
    for index, form in enumerate(law.completion_forms):
        choices: dict[str, tuple[str, ...]] = {}
        for position, field in enumerate(form.fields):
            place: Key = ("law", "completion_forms", index, "fields", position)
            if field.id in choices:
                yield (*place, "id"), f"'{field.id}' is there twice in this form"
            if field.required_when is not None:
                asked, answer = field.required_when
                if answer not in choices.get(asked, ()):
                    yield (*place, "required_when"), f"no earlier field '{asked}' has the choice '{answer}'"
            choices[field.id] = field.choices


def _fractions(law: LawOverTime) -> Iterator[tuple[Key, str]]:
    if list(law.warn_at) != sorted(set(law.warn_at)):
        yield ("law", "warn_at"), "the fractions must rise, each once"
