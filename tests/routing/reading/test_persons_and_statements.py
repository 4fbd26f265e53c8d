"""persons.yaml and statements.yaml: who calls, what happened and what is wanted, in what callers say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from routing.jurisdiction import Jurisdiction
from routing.reading.persons import person_of
from routing.reading.statements import MAX_CHARACTERS, SUMMARY, demand_of, event_of
from tests.routing.reading.test_openings import heard

_HERE = Path(__file__).parent
PERSONS: list[dict[str, Any]] = yaml.safe_load((_HERE / "persons.yaml").read_text("utf-8"))
STATEMENTS: list[dict[str, Any]] = yaml.safe_load((_HERE / "statements.yaml").read_text("utf-8"))


@pytest.mark.parametrize("case", PERSONS, ids=[str(case["said"])[:40] for case in PERSONS])
def test_person(case: dict[str, Any], yazhou: Jurisdiction) -> None:
    found = person_of(heard(case["said"]), yazhou)
    assert (found.value if found else "") == case["person"]


def test_wishes_are_told_apart(yazhou: Jurisdiction) -> None:
    found = person_of(heard("我姓王不要讲是我说的内容也不要外传"), yazhou)
    assert found and found.wishes == {"identity", "content"}
    assert found.value == "姓王（要求身份保密、要求内容保密）"


@pytest.mark.parametrize("case", STATEMENTS, ids=[str(case["said"])[:40] for case in STATEMENTS])
def test_statement(case: dict[str, Any], yazhou: Jurisdiction) -> None:
    utterances = heard(case["said"])
    event, demand = event_of(utterances, yazhou), demand_of(utterances, yazhou)
    for name, found in (("event", event), ("demand", demand)):
        value = found.value if found else ""
        if case.get(name) == []:
            assert value == ""
        assert [piece for piece in case.get(name, []) if piece not in value] == []
    assert not [piece for piece in case.get("without", []) if event and piece in event.value]


def test_an_event_is_a_summary(yazhou: Jurisdiction) -> None:
    told = [{"caller": f"后来我又去了第{number}次他们那边还是没有人出来说一句话"} for number in range(30)]
    event = event_of(heard([{"caller": "水南村的路灯坏了"}, *told]), yazhou)
    assert event and event.value.startswith("水南村的路灯坏了")
    assert len(event.value) <= SUMMARY + 10 < MAX_CHARACTERS


def test_a_number_read_out_is_not_part_of_the_event(yazhou: Jurisdiction) -> None:
    event = event_of(heard("水渠断水二十天了我姓黄电话幺三零八六零零四四九二"), yazhou)
    assert event and event.value == "水渠断水二十天了"
