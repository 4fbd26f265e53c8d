"""A jurisdiction's law and vocabulary as data: config/jurisdictions/NAME.yaml, checked when it is read.

Code knows kinds of things (a unit, a matter, a place); which there are, and by which article, stands in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from routing.law.law import Law, LawOverTime
from routing.law.soundness import Vocabulary, unsound
from routing.next_door import borrow
from settings import YamlFile, read_yaml

Key = tuple[str | int, ...]

_ID = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Unit(_Part):
    """A handling unit (承办单位). `words`: what callers call it in everyday speech.

    `since`, `until`: the days from which it takes part and no longer does; None: as its group. A unit that left
    stays in the file, because old tickets name it.
    """

    id: str = Field(pattern=_ID)
    name: str = Field(min_length=1)
    short: str = Field(min_length=1)
    words: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None


class UnitGroup(_Part):
    """A group of member units, the article that lists it, and since when."""

    id: str = Field(pattern=_ID)
    name: str
    article: str
    since: date
    until: date | None = None
    units: tuple[Unit, ...] = Field(min_length=1)


class OutsideUnit(Unit):
    """A party that is no member unit; tickets for it go up to the city's platform."""

    platform: str
    article: str


class Gap(_Part):
    """A topic whose unit is not among the member units: who handles it then, and why."""

    id: str = Field(pattern=_ID)
    topic: str
    missing: str
    unit: str | None
    """A member or outside unit; None when only a line helps."""
    line: str | None = None
    reason: str
    article: str


class EmergencyLine(_Part):
    """A line that a caller is connected to. `ruling`: the project's, where the document does not name the line."""

    number: str = Field(pattern=r"^[0-9]{3,5}$")
    name: str
    article: str
    ruling: str | None = Field(default=None, pattern=r"^[CS][0-9]+$")


class IntakeLine(_Part):
    """A number by which tickets come in."""

    number: str = Field(pattern=r"^[0-9]{2,20}$")
    name: str
    article: str


class Intent(_Part):
    """What a caller wants. `words` say so outright, `hints` only point to it; `wordings` are everyday speech.

    `leads` are verbs that announce a matter ("我要投诉…") and are left out when the event is written down.
    """

    id: str = Field(pattern=_ID)
    name: str
    article: str
    words: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    wordings: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()


class Urgency(_Part):
    """How a ticket is treated apart from its intent; the first in the file is the ordinary one."""

    id: str = Field(pattern=_ID)
    name: str
    article: str


class HandlingClass(_Part):
    """What decides a ticket's limits."""

    id: str = Field(pattern=_ID)
    name: str
    article: str


class ScopeItem(_Part):
    """A kind of matter that the hotline accepts."""

    id: str = Field(pattern=r"^[A-Z]{2}-[0-9]+-[0-9]+$")
    text: str
    article: str
    intents: tuple[str, ...] = ()


class EmergencyHint(_Part):
    """Words that point to danger: which urgency, and which lines help (none: a unit does)."""

    urgency: str
    lines: tuple[str, ...] = ()
    weight: float = Field(default=1.0, gt=0, le=1)
    """1: said like this, it is one; less: it may be one."""
    words: tuple[str, ...] = Field(min_length=1)
    """An ellipsis stands for up to six characters between, a slash for "or": 撞/碾…人 is found in 撞到了人."""
    reason: str


class Emergency(_Part):
    """How danger is heard. The words are the centre's, the consequence is the article's."""

    article: str
    hints: tuple[EmergencyHint, ...] = Field(min_length=1)
    harmless: tuple[str, ...] = ()
    """Everyday phrases that hold a word of danger and mean none."""
    past: tuple[str, ...] = ()
    """Said of what is over (去年, 上个月): danger weighs less beside it."""
    office: tuple[str, ...] = ()
    """What one asks an office (怎么认定, 报销): danger that is not said to have just happened weighs less beside it."""
    acute: tuple[str, ...] = ()
    """Said right before what happens now (今天, 突然, 正在): then neither of the two counts."""


class Confidentiality(_Part):
    """Words by which a caller asks that their identity or what they said stays confidential."""

    article: str
    identity: tuple[str, ...]
    content: tuple[str, ...]
    anonymous: tuple[str, ...]


class GroundWords(_Part):
    """Wordings that speak for a ground of refusal, named by its code in `law.refusal_grounds`."""

    code: str = Field(pattern=r"^[a-z_]+$")
    weight: float = Field(default=1.0, gt=0, le=3)
    """2: said like this, it is one; 0.5: it may be one."""
    words: tuple[str, ...] = Field(min_length=1)
    """Written as those of an emergency: an ellipsis for a gap, a slash for "or"."""


class ScopeWords(_Part):
    """How callers speak of what the hotline does not take in; a person decides."""

    directory: tuple[str, ...] = ()
    """What a directory answers (YZ-31): 帮我查一下…电话."""
    unclear: tuple[str, ...] = ()
    """Said by callers of whom nobody knows yet what they want."""
    elsewhere: tuple[str, ...] = ()
    """Names of regions that no place of `places` stands for, said of where it happened."""
    grounds: tuple[GroundWords, ...] = ()


class Place(_Part):
    """A place that callers name. `also`: other spellings; `in_context`: spellings that are also ordinary words,
    taken for the place only after words such as 在 or before such as 这边.
    """

    name: str = Field(min_length=2)
    kind: Literal["district", "big_community", "village", "community", "area", "road", "facility", "generic"]
    also: tuple[str, ...] = ()
    in_context: tuple[str, ...] = ()
    unit: str | None = None
    """The territorial unit; None: not known for certain, or it lies in several."""
    outside: bool = False
    """It lies outside the jurisdiction."""


class Matter(_Part):
    """An entry of the matter catalogue.

    `units`: functional units, the lead first; empty when a gap, the territorial unit or the unit that the caller
    names handles it. `words` name the matter, `hints` only support it.
    """

    id: str = Field(pattern=_ID)
    name: str
    scope: str
    intents: tuple[str, ...] = Field(min_length=1)
    handling_class: str
    units: tuple[str, ...] = ()
    gap: str | None = None
    territorial_leads: bool = False
    territorial_assists: bool = False
    named_unit_handles: bool = False
    hazard: bool = False
    """A danger that a unit has to make safe before it may return the ticket (YZ-15)."""
    line: str | None = None
    words: tuple[str, ...] = Field(min_length=1)
    hints: tuple[str, ...] = ()
    wordings: tuple[str, ...] = ()
    """How it is said in everyday speech: an ellipsis for up to eight characters, a slash for "or"."""
    context: tuple[str, ...] = ()
    """Words that are often said with it; alone they say nothing."""
    dangers: tuple[str, ...] = ()
    """Reasons of `emergency.hints` that speak for this matter."""


class Jurisdiction(_Part):
    """config/jurisdictions/NAME.yaml."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    prefix: str = Field(pattern=r"^[A-Z]{2,4}$")
    """Begins the serial numbers of tickets."""
    name: str = Field(min_length=1)
    centre: str
    document: str
    words_from: str | None = None
    """The jurisdiction next door whose everyday words are taken over wherever this file has none of its own."""
    forms_from: str | None = None
    """The jurisdiction next door whose adopted completion forms are taken over, for the intents that are here too."""
    timezone: str = Field(description="IANA name")
    calendars: tuple[str, ...] = ()
    """Names of the local calendars in config/calendars/ that lie over the country's, the later over the earlier."""
    intake_lines: tuple[IntakeLine, ...] = Field(min_length=1)
    lines: tuple[EmergencyLine, ...] = ()
    intents: tuple[Intent, ...] = Field(min_length=1)
    urgencies: tuple[Urgency, ...] = Field(min_length=1)
    handling_classes: tuple[HandlingClass, ...] = Field(min_length=1)
    intake_scope: tuple[ScopeItem, ...] = Field(min_length=1)
    emergency: Emergency
    confidentiality: Confidentiality
    scope_words: ScopeWords = ScopeWords()
    unit_groups: tuple[UnitGroup, ...] = ()
    """Empty: the document lists no units."""
    outside_units: tuple[OutsideUnit, ...] = ()
    gaps: tuple[Gap, ...] = ()
    routing_article: str
    """The article by which functional and territorial units are chosen."""
    places: tuple[Place, ...] = ()
    matters_source: str
    """Where the catalogue of matters comes from, as shown to people."""
    matters: tuple[Matter, ...] = ()
    law: LawOverTime
    """The provisions; `law.on(day)` gives those that hold on a day."""

    # There is one object per file, and what is compiled from it is remembered by identity: comparing by value
    # would hash all of the law for every utterance.
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"'{value}' is not a timezone such as Asia/Shanghai") from None
        return value

    @cached_property
    def zone(self) -> ZoneInfo:
        """The timezone in which dates and hours of this jurisdiction are meant."""
        return ZoneInfo(self.timezone)

    def law_at(self, moment: datetime) -> Law:
        """The provisions that hold at an aware moment, by the day that it is in this jurisdiction."""
        return self.law.on(moment.astimezone(self.zone).date())

    @cached_property
    def units(self) -> dict[str, Unit]:
        """All units by id: members in the order of the article, then those outside."""
        members: list[Unit] = [unit for group in self.unit_groups for unit in group.units]
        return {unit.id: unit for unit in (*members, *self.outside_units)}

    @cached_property
    def _terms(self) -> dict[str, tuple[date, date]]:
        """The first day of each unit, and the first day on which it no longer takes part."""
        terms = {unit.id: (unit.since or date.min, unit.until or date.max) for unit in self.outside_units}
        for group in self.unit_groups:
            for unit in group.units:
                terms[unit.id] = (unit.since or group.since, unit.until or group.until or date.max)
        return terms

    def takes_part(self, unit: str, day: date) -> bool:
        """Whether a unit of this id takes part on `day`, a day of this jurisdiction."""
        since, until = self._terms.get(unit, (date.max, date.max))
        return since <= day < until

    def members_on(self, day: date) -> list[Unit]:
        """The member units on `day`, in the order of the article."""
        return [unit for group in self.unit_groups for unit in group.units if self.takes_part(unit.id, day)]

    @cached_property
    def article_of_unit(self) -> dict[str, str]:
        """The article by which each unit takes part."""
        articles = {unit.id: group.article for group in self.unit_groups for unit in group.units}
        return articles | {unit.id: unit.article for unit in self.outside_units}

    @cached_property
    def _ids(self) -> dict[str, frozenset[str]]:
        units = frozenset(self.units)
        return {
            "intent": frozenset(intent.id for intent in self.intents),
            "urgency": frozenset(urgency.id for urgency in self.urgencies),
            "matter": frozenset(matter.id for matter in self.matters),
            "functional_unit": units,
            "territorial_unit": units,
        }

    def allows(self, field: str, value: str) -> bool:
        """Whether a ticket's field may hold `value`: fields that hold ids take only those of this jurisdiction."""
        ids = self._ids.get(field)
        return ids is None or value in ids

    def name_of(self, field: str, value: str) -> str:
        """What people read for a field's value: the name behind an id; the value itself where it is text."""
        match field:
            case "intent":
                return next((intent.name for intent in self.intents if intent.id == value), value)
            case "urgency":
                return next((urgency.name for urgency in self.urgencies if urgency.id == value), value)
            case "matter":
                return next((matter.name for matter in self.matters if matter.id == value), value)
            case "functional_unit" | "territorial_unit":
                return self.units[value].name if value in self.units else value
        return value


def load(path: Path) -> Jurisdiction:
    """Read and check one jurisdiction.

    Raises ConfigurationError that names file, line and key: what is wrong and what would be right.
    """
    tree = read_yaml(path)
    borrow(tree)
    jurisdiction = tree.as_model(Jurisdiction)
    if jurisdiction.id != path.stem:
        raise tree.error(("id",), f"'{jurisdiction.id}' is not the name of the file; it must be '{path.stem}'")
    _no_twins(tree, jurisdiction)
    for key, what, name, known in _references(jurisdiction):
        if name not in known:
            close = [other for other in known if other.split(".")[-1] == name.split(".")[-1]]
            right = f"did you mean '{close[0]}'?" if close else f"there are: {_shown(known)}"
            raise tree.error(key, f"there is no {what} '{name}' ({right})")
    for index, matter in enumerate(jurisdiction.matters):
        handlers = (matter.units, matter.gap, matter.territorial_leads, matter.named_unit_handles)
        if not any(handlers):
            raise tree.error(
                ("matters", index),
                f"matter '{matter.id}' has nobody who handles it; give it units, a gap, territorial_leads or "
                "named_unit_handles",
            )
    for key, problem in [*_untimely(jurisdiction), *unsound(jurisdiction.law, _vocabulary(jurisdiction))]:
        raise tree.error(key, problem)
    return jurisdiction


def _vocabulary(it: Jurisdiction) -> Vocabulary:
    return Vocabulary(
        intents=frozenset(intent.id for intent in it.intents),
        classes=frozenset(one.id for one in it.handling_classes),
        urgencies=frozenset(urgency.id for urgency in it.urgencies),
        units=frozenset(it.units),
        lines=frozenset(line.number for line in it.lines),
    )


def _untimely(it: Jurisdiction) -> Iterator[tuple[Key, str]]:
    """Units and groups that would end before they begin."""
    terms: list[tuple[Key, date | None, date | None]] = []
    for i, group in enumerate(it.unit_groups):
        terms.append((("unit_groups", i, "until"), group.since, group.until))
        for j, unit in enumerate(group.units):
            terms.append((("unit_groups", i, "units", j, "until"), unit.since or group.since, unit.until))
    terms += [(("outside_units", i, "until"), unit.since, unit.until) for i, unit in enumerate(it.outside_units)]
    for key, since, until in terms:
        if since is not None and until is not None and until <= since:
            yield key, f"{until} must be after since {since}"


def _shown(known: list[str]) -> str:
    return ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")


def _no_twins(tree: YamlFile, it: Jurisdiction) -> None:
    lists: dict[str, list[tuple[Key, str]]] = {
        "intake_lines": [(("intake_lines", i, "number"), line.number) for i, line in enumerate(it.intake_lines)],
        "lines": [(("lines", i, "number"), line.number) for i, line in enumerate(it.lines)],
        "intents": [(("intents", i, "id"), intent.id) for i, intent in enumerate(it.intents)],
        "urgencies": [(("urgencies", i, "id"), urgency.id) for i, urgency in enumerate(it.urgencies)],
        "handling_classes": [(("handling_classes", i, "id"), a.id) for i, a in enumerate(it.handling_classes)],
        "intake_scope": [(("intake_scope", i, "id"), item.id) for i, item in enumerate(it.intake_scope)],
        "gaps": [(("gaps", i, "id"), gap.id) for i, gap in enumerate(it.gaps)],
        "matters": [(("matters", i, "id"), matter.id) for i, matter in enumerate(it.matters)],
        "unit_groups": [(("unit_groups", i, "id"), group.id) for i, group in enumerate(it.unit_groups)],
        "units": [
            (("unit_groups", i, "units", j, "id"), unit.id)
            for i, group in enumerate(it.unit_groups)
            for j, unit in enumerate(group.units)
        ]
        + [(("outside_units", i, "id"), unit.id) for i, unit in enumerate(it.outside_units)],
        "places": [
            ((*key, place_key), spelling)
            for i, place in enumerate(it.places)
            for key, place_key, spelling in _spellings(i, place)
        ],
    }
    for what, entries in lists.items():
        seen: set[str] = set()
        for key, value in entries:
            if value in seen:
                raise tree.error(key, f"'{value}' is there twice in {what}; each may be there once")
            seen.add(value)


def _spellings(index: int, place: Place) -> Iterator[tuple[Key, str | int, str]]:
    yield ("places", index), "name", place.name
    for position, spelling in enumerate(place.also):
        yield ("places", index, "also"), position, spelling
    for position, spelling in enumerate(place.in_context):
        yield ("places", index, "in_context"), position, spelling


def _references(it: Jurisdiction) -> Iterator[tuple[Key, str, str, list[str]]]:
    """Every place where one part names another: key, what it should be, the name given, the names there are."""
    units = list(it.units)
    lines = [line.number for line in it.lines]
    intents = [intent.id for intent in it.intents]
    urgencies = [urgency.id for urgency in it.urgencies]
    classes = [one.id for one in it.handling_classes]
    scope = [item.id for item in it.intake_scope]
    gaps = [gap.id for gap in it.gaps]
    for index, item in enumerate(it.intake_scope):
        for position, intent in enumerate(item.intents):
            yield ("intake_scope", index, "intents", position), "intent", intent, intents
    for index, hint in enumerate(it.emergency.hints):
        yield ("emergency", "hints", index, "urgency"), "urgency", hint.urgency, urgencies
        for position, line in enumerate(hint.lines):
            yield ("emergency", "hints", index, "lines", position), "line", line, lines
    for index, gap in enumerate(it.gaps):
        if gap.unit is not None:
            yield ("gaps", index, "unit"), "unit", gap.unit, units
        if gap.line is not None:
            yield ("gaps", index, "line"), "line", gap.line, lines
    for index, place in enumerate(it.places):
        if place.unit is not None:
            yield ("places", index, "unit"), "unit", place.unit, units
    for index, matter in enumerate(it.matters):
        yield ("matters", index, "scope"), "intake scope item", matter.scope, scope
        yield ("matters", index, "handling_class"), "handling class", matter.handling_class, classes
        for position, intent in enumerate(matter.intents):
            yield ("matters", index, "intents", position), "intent", intent, intents
        for position, unit in enumerate(matter.units):
            yield ("matters", index, "units", position), "unit", unit, units
        if matter.gap is not None:
            yield ("matters", index, "gap"), "gap", matter.gap, gaps
        if matter.line is not None:
            yield ("matters", index, "line"), "line", matter.line, lines
