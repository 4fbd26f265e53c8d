"""The direct-dispatch list (直派清单) as data: matters that need no agent to find their unit (QH-4b).

config/direct-dispatch.yaml, one list per jurisdiction. An item names a matter and where its tickets go: to the grid,
that is the territorial unit of the place, or to one functional unit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from routing.jurisdiction import Jurisdiction, OutsideUnit
from settings import YamlFile, read_yaml


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Item(_Part):
    """One entry. `to` grid: the territorial unit of the ticket's place; unit: the functional unit in `unit`."""

    matter: str
    to: Literal["grid", "unit"]
    unit: str | None = None
    places: tuple[str, ...] = ()
    """Only there, by the gazetteer's names; empty: everywhere."""

    @model_validator(mode="after")
    def _unit_where_it_belongs(self) -> Item:
        if (self.to == "unit") != (self.unit is not None):
            raise ValueError("'unit' belongs to items with 'to: unit', and to those only")
        return self


class DirectDispatch(_Part):
    """A jurisdiction's list. `inferred`: the project's own draft, not a list that an authority has issued."""

    source: str = Field(min_length=1)
    """Where the list comes from, as shown to people."""
    inferred: bool
    items: tuple[Item, ...] = ()

    def item(self, matter: str, place: str) -> Item | None:
        """The entry for a matter at a place; one that names the place goes before one for everywhere."""
        fitting = [item for item in self.items if item.matter == matter and (not item.places or place in item.places)]
        return min(fitting, key=lambda item: not item.places, default=None)


class _File(_Part):
    lists: dict[str, DirectDispatch]


def load(path: Path, jurisdiction: Jurisdiction) -> DirectDispatch | None:
    """The list of `jurisdiction`; None when there is no file, or it has none for it.

    Raises ConfigurationError that names file, line and key: what is wrong and what would be right.
    """
    if not path.exists():
        return None
    tree = read_yaml(path)
    file = tree.as_model(_File)
    found = file.lists.get(jurisdiction.id)
    if found is not None:
        _check(tree, found, jurisdiction)
    return found


def _check(tree: YamlFile, found: DirectDispatch, jurisdiction: Jurisdiction) -> None:
    matters = {matter.id: matter for matter in jurisdiction.matters}
    places = {place.name for place in jurisdiction.places}
    confined = {one.unit for one in jurisdiction.law.discipline if one.unit is not None}
    seen: set[tuple[str, str]] = set()
    for index, item in enumerate(found.items):
        key = ("lists", jurisdiction.id, "items", index)
        if item.matter not in matters:
            raise tree.error(
                (*key, "matter"), f"there is no matter '{item.matter}' in {jurisdiction.id}.yaml; take an id from there"
            )
        matter = matters[item.matter]
        if matter.line is not None:
            raise tree.error(
                (*key, "matter"),
                f"'{item.matter}' is a matter of line {matter.line}; emergencies always go through a person",
            )
        if confined & set(matter.units):
            raise tree.error(
                (*key, "matter"), f"'{item.matter}' is a discipline matter; it always goes through a person"
            )
        if item.unit is not None:
            unit = jurisdiction.units.get(item.unit)
            if unit is None or isinstance(unit, OutsideUnit):
                raise tree.error((*key, "unit"), f"'{item.unit}' is not a member unit of {jurisdiction.id}.yaml")
        for position, place in enumerate(item.places):
            if place not in places:
                raise tree.error((*key, "places", position), f"there is no place '{place}' in {jurisdiction.id}.yaml")
        for place in item.places or ("",):
            if (item.matter, place) in seen:
                raise tree.error((*key, "matter"), f"'{item.matter}' is listed twice for the same place")
            seen.add((item.matter, place))
