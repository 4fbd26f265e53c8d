"""places.yaml: where it is, in what callers say; what is asked about; and what the gazetteer makes of sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from routing.drafts import read
from routing.jurisdiction import Jurisdiction
from routing.reading.gazetteer import candidates_of, mentions_in
from routing.reading.places import place_of
from tests.routing.reading.test_openings import CALLED_AT, heard

PLACES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("places.yaml").read_text("utf-8"))


@pytest.mark.parametrize("case", PLACES, ids=[str(case["said"])[:40] for case in PLACES])
def test_place(case: dict[str, Any], yazhou: Jurisdiction) -> None:
    found = place_of(heard(case["said"]), yazhou)
    value = found.value if found else ""
    assert (case["place"] in value) if case["place"] else value == ""
    place = found.place if found else None
    assert (place.unit if place else None) == case.get("unit")
    assert sorted(one.name for one in (found.candidates if found else ())) == sorted(case.get("ask", []))
    assert bool(place and place.outside) == case.get("outside", False)
    unknown = set(case) - {"said", "place", "unit", "ask", "outside"}
    assert not unknown, f"places.yaml: these keys mean nothing: {unknown}"


def test_what_has_to_be_asked_gives_no_territorial_unit(yazhou: Jurisdiction) -> None:
    fields, _ = read(heard("海棠那边的路灯坏了"), yazhou, CALLED_AT)
    assert fields["place"]["value"].startswith("海棠")
    assert fields["territorial_unit"]["value"] == ""


def test_names_that_are_alike_without_their_suffix_are_found_in_the_file(yazhou: Jurisdiction) -> None:
    assert {one.name for one in candidates_of(yazhou, "海棠")} == {"海棠村", "海棠区"}
    assert {one.name for one in candidates_of(yazhou, "临高")} == {"临高村", "临高县"}
    assert candidates_of(yazhou, "水南") == ()


@pytest.mark.parametrize(
    ("said", "written"), [("严造村", "盐灶村"), ("水蓝村", "水南村"), ("常山村", "长山村"), ("公北村", "拱北村")]
)
def test_a_sound_is_written_with_the_gazetteers_name_and_the_words_are_kept(
    said: str, written: str, yazhou: Jurisdiction
) -> None:
    found = place_of(heard(f"{said}停水了"), yazhou)
    assert found and (found.value, found.words) == (written, (said,))
    [mention] = mentions_in(yazhou, f"{said}停水了")
    assert mention.confidence < 0.9
