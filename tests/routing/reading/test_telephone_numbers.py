"""The number to be called back on: read out in every way, corrected, in pieces; and numbers that are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from routing.reading.spoken import Heard
from routing.reading.telephone_numbers import callback_number

CASES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("numbers.yaml").read_text("utf-8"))
AT = datetime(2026, 11, 21, 6, 5, tzinfo=UTC)


@pytest.mark.parametrize("case", CASES, ids=["|".join(case["said"]) for case in CASES])
def test_the_number_to_call_back(case: dict[str, Any]) -> None:
    heard = [
        Heard(
            number,
            "agent" if text.startswith("a:") else "caller",
            text.removeprefix("a:"),
            AT + timedelta(seconds=number),
        )
        for number, text in enumerate(case["said"], start=1)
    ]
    found = callback_number(heard)
    assert (found.digits if found else "") == case["number"]
    if found:
        assert set(found.utterances) <= {one.number for one in heard if one.speaker == "caller"}
