"""A changed value holds from its day on, and on no day before; and every number can be changed in the file alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from routing.jurisdiction import load
from routing.law.calendar import Calendar
from routing.law.clocks import started
from routing.law.provisions import Provision
from settings import ROOT
from tests.routing.law.files import NAMES, changed, loaded

CHANGE = date(2026, 6, 1)


def test_a_changed_limit_holds_from_its_day_on(tmp_path: Path) -> None:
    def shorter(tree: Any) -> None:
        old = next(one for one in tree["law"]["limits"] if one["clock"] == "contact")
        old["until"] = CHANGE
        tree["law"]["limits"].append(
            {key: value for key, value in old.items() if key != "until"}
            | {"since": CHANGE, "limit": {"value": 15, "unit": "minute"}}
        )

    law = load(changed(tmp_path, "yazhou", shorter)).law
    for day, minutes in ((CHANGE - timedelta(days=1), 30), (CHANGE, 15), (CHANGE + timedelta(days=400), 15)):
        contact = [one for one in law.on(day).limits if one.clock == "contact" and one.limit]
        assert [one.limit.value for one in contact if one.limit] == [minutes], day


def test_a_changed_provision_holds_from_its_day_on(tmp_path: Path) -> None:
    def never_locks(tree: Any) -> None:
        old = tree["law"]["returns"]
        tree["law"]["returns"] = [
            old | {"until": CHANGE},
            old | {"since": date(2026, 9, 1), "rejected_locks": False},
        ]

    law = load(changed(tmp_path, "yazhou", never_locks)).law
    assert law.on(CHANGE - timedelta(days=1)).returns == law.returns[0]
    assert law.on(CHANGE).returns is None
    assert law.on(date(2026, 8, 31)).returns is None
    assert law.on(date(2026, 9, 1)).returns == law.returns[1]


def test_the_day_is_the_jurisdictions(tmp_path: Path) -> None:
    def ends(tree: Any) -> None:
        tree["law"]["truth_reminder"]["until"] = CHANGE

    it = load(changed(tmp_path, "yazhou", ends))
    midnight = datetime(2026, 5, 31, 16, 0, tzinfo=UTC)
    assert it.law_at(midnight - timedelta(seconds=1)).truth_reminder is not None
    assert it.law_at(midnight).truth_reminder is None


def test_before_the_first_document_nothing_holds() -> None:
    for name in NAMES:
        law = loaded(name).law
        first = min(one.since for versions in law.provisions.values() for one in versions)
        day_before = law.on(first - timedelta(days=1))
        assert all(not getattr(day_before, key) for key in law.provisions)
        assert any(getattr(law.on(first), key) for key in law.provisions)


def test_a_unit_that_leaves(tmp_path: Path) -> None:
    def leaves(tree: Any) -> None:
        tree["unit_groups"][3]["units"][0]["until"] = CHANGE

    it = load(changed(tmp_path, "yazhou", leaves))
    assert it.takes_part("yz.zhengfu.office", CHANGE - timedelta(days=1))
    assert not it.takes_part("yz.zhengfu.office", CHANGE)
    assert it.name_of("functional_unit", "yz.zhengfu.office") == "崖州区人民政府办公室"
    assert (len(it.members_on(CHANGE - timedelta(days=1))), len(it.members_on(CHANGE))) == (103, 102)


def _limits(name: str) -> list[int]:
    return [index for index, one in enumerate(loaded(name).law.limits) if one.limit is not None]


@pytest.mark.parametrize(("name", "index"), [(name, index) for name in NAMES for index in _limits(name)])
def test_every_number_of_a_limit_moves_its_clock(name: str, index: int, tmp_path: Path) -> None:
    """One more in the file is one more on the clock, in no other one, and in no line of code."""
    limit = loaded(name).law.limits[index]
    assert limit.limit is not None

    def one_more(tree: Any) -> None:
        tree["law"]["limits"][index]["limit"]["value"] += 1

    altered = load(changed(tmp_path, name, one_more))
    calendar = Calendar.load(ROOT / "config" / "calendars", loaded(name).calendars)
    at = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
    it = loaded(name)
    kind = (
        next(intent.id for intent in it.intents if limit.applies.covers(intent.id, *_some_kind(name, index))),
        *_some_kind(name, index),
    )
    before = {
        clock.kind: clock.due_at
        for clock in started(
            it, calendar, at=at, starts=limit.starts, intent=kind[0], handling_class=kind[1], urgency=kind[2]
        )
    }
    after = {
        clock.kind: clock.due_at
        for clock in started(
            altered, calendar, at=at, starts=limit.starts, intent=kind[0], handling_class=kind[1], urgency=kind[2]
        )
    }
    assert before.keys() == after.keys()
    assert {kind for kind in before if before[kind] != after[kind]} == {limit.clock}
    assert after[limit.clock] > before[limit.clock]


def _some_kind(name: str, index: int) -> tuple[str, str]:
    applies = loaded(name).law.limits[index].applies
    return (*applies.classes, "non_urban_management")[0], (*applies.urgencies, "normal")[0]


@pytest.mark.parametrize(
    ("name", "key", "field", "value"),
    [
        ("yazhou", "repeats", "answered", 5),
        ("yazhou", "criticism", "threshold", 4),
        ("yazhou", "on_site_experts", "first_answer_below", 0.9),
        ("yazhou", "returns", "lead_after_units", 3),
        ("yazhou", "callback", "attempts", 5),
        ("yazhou", "retention", "recordings_years", 5),
        ("yazhou", "contacts", "clerks_min", 2),
        ("turpan", "redo", "max_times", 2),
        ("turpan", "cluster", "months", 3),
    ],
)
def test_every_other_number_is_the_files(name: str, key: str, field: str, value: float, tmp_path: Path) -> None:
    def other(tree: Any) -> None:
        tree["law"][key][field] = value

    law = load(changed(tmp_path, name, other)).law.on(date(2026, 3, 2))
    provision = getattr(law, key)
    assert isinstance(provision, Provision)
    assert getattr(provision, field) == value != getattr(getattr(loaded(name).law.on(date(2026, 3, 2)), key), field)
