"""openings.yaml: what callers say, and what the ticket must then hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from routing.drafts import LINES, read
from routing.jurisdiction import Jurisdiction
from routing.reading.spoken import Heard
from routing.storage import FIELDS

CALLED_AT = datetime(2026, 11, 21, 6, 5, tzinfo=UTC)
OPENINGS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("openings.yaml").read_text("utf-8"))


def heard(said: str | list[dict[str, str]]) -> list[Heard]:
    """The utterances of a case, one every five seconds."""
    spoken = [{"caller": said}] if isinstance(said, str) else said
    return [
        Heard(number, speaker, text, CALLED_AT + timedelta(seconds=5 * number))
        for number, one in enumerate(spoken, start=1)
        for speaker, text in one.items()
    ]


@pytest.mark.parametrize("case", OPENINGS, ids=[str(case["said"])[:30] for case in OPENINGS])
def test_opening(case: dict[str, Any], yazhou: Jurisdiction) -> None:
    fields, proposals = read(heard(case["said"]), yazhou, CALLED_AT)
    expected = {name: value for name, value in case.items() if name in FIELDS}
    assert {name: fields[name]["value"] for name in expected} == expected
    if "lines" in case:
        assert [line["id"] for line in proposals[LINES]][: len(case["lines"]) or None] == case["lines"]
    for name, ids in case.get("among", {}).items():
        ranked = [one["id"] for one in proposals[LINES if name == "lines" else name]]
        assert set(ids) <= set(ranked)
    unknown = set(case) - {*FIELDS, "said", "lines", "among"}
    assert not unknown, f"openings.yaml: these keys mean nothing: {unknown}"


def test_there_are_enough_openings() -> None:
    assert len(OPENINGS) >= 40


@pytest.mark.parametrize("case", OPENINGS, ids=[str(case["said"])[:30] for case in OPENINGS])
def test_every_value_says_which_words_led_to_it(case: dict[str, Any], yazhou: Jurisdiction) -> None:
    utterances = heard(case["said"])
    callers = {one.number for one in utterances if one.speaker == "caller"}
    spoken = "".join(one.text.replace(" ", "") for one in utterances if one.speaker == "caller")
    fields, proposals = read(utterances, yazhou, CALLED_AT)
    for name, field in fields.items():
        assert "unk" not in field["value"]
        if field["value"] and field["words"]:
            assert set(field["utterances"]) <= callers, name
            assert all(word.replace(" ", "") in spoken for word in field["words"]), name
            assert field["confidence"] is not None and 0 < field["confidence"] <= 1
    for ranked in proposals.values():
        assert [one["score"] for one in ranked] == sorted((one["score"] for one in ranked), reverse=True)
        assert all(one["reason"] for one in ranked)
        assert all("第" in one["reason"] or "国办" in one["reason"] or "YZ-11" in one["reason"] for one in ranked)
