"""Every matter of the catalogue can be reached by what callers say, and says who handles it and how."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from routing.drafts import read
from routing.jurisdiction import Jurisdiction, load
from routing.reading.spoken import Heard
from tests.routing.conftest import YAZHOU

CALLED_AT = datetime(2026, 11, 21, 6, 5, tzinfo=UTC)
IDS = [matter.id for matter in load(YAZHOU).matters]


@pytest.mark.parametrize("matter_id", IDS)
def test_each_of_its_words_leads_to_a_matter(matter_id: str, yazhou: Jurisdiction) -> None:
    matter = next(matter for matter in yazhou.matters if matter.id == matter_id)
    for word in matter.words:
        said = [Heard(1, "caller", f"我要反映{word}的问题", CALLED_AT)]
        _, proposals = read(said, yazhou, CALLED_AT)
        assert matter_id in [one["id"] for one in proposals["matter"]], word


def test_a_word_belongs_to_one_matter(yazhou: Jurisdiction) -> None:
    owners: dict[str, str] = {}
    for matter in yazhou.matters:
        for word in matter.words:
            assert owners.setdefault(word, matter.id) == matter.id, word


def test_the_catalogue_covers_the_units_that_citizens_deal_with(yazhou: Jurisdiction) -> None:
    """At least 150 matters; most departments of the government have one of their own."""
    assert len(yazhou.matters) >= 150
    handling = {unit for matter in yazhou.matters for unit in matter.units}
    government = next(group for group in yazhou.unit_groups if group.id == "government")
    without = {unit.id for unit in government.units} - handling
    assert len(without) <= 4, without
    assert all(matter.handling_class and matter.intents for matter in yazhou.matters)
    assert "推定" in yazhou.matters_source
