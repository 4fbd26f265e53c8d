"""emergency_sentences.yaml: which words of danger call a line by themselves, and which must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from routing.jurisdiction import Jurisdiction
from routing.spoken_alarm import alarm

SENTENCES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("emergency_sentences.yaml").read_text("utf-8"))
HARMLESS = [*SENTENCES["negated"], *SENTENCES["figurative"]]


def test_there_are_enough_sentences() -> None:
    assert len(SENTENCES["danger"]) + len(HARMLESS) >= 150


@pytest.mark.parametrize("case", SENTENCES["danger"], ids=[case["said"][:24] for case in SENTENCES["danger"]])
def test_danger_is_heard(case: dict[str, Any], yazhou: Jurisdiction) -> None:
    found = alarm(case["said"], yazhou)
    assert found is not None
    assert set(case["lines"]) <= set(found.lines)
    assert found.words and all(word in case["said"].replace(" ", "") for word in found.words)


def test_false_alarms_are_few(yazhou: Jurisdiction) -> None:
    false = [said for said in HARMLESS if alarm(said, yazhou)]
    assert len(false) / len(HARMLESS) < 0.05, false


def test_a_gap_is_no_word(yazhou: Jurisdiction) -> None:
    assert alarm("着 [unk] 火", yazhou) is None


def test_the_most_needed_line_comes_first(yazhou: Jurisdiction) -> None:
    found = alarm("出车祸了有人流血", yazhou)
    assert found is not None
    assert found.lines[0] in ("122", "120") and set(found.lines) == {"122", "120"}


def test_every_word_of_danger_alone_calls_a_line(yazhou: Jurisdiction) -> None:
    silent = [
        part
        for hint in yazhou.emergency.hints
        if hint.lines and hint.weight >= 0.5
        for word in hint.words
        if "…" not in word
        for part in word.split("/")
        if alarm(f"这里{part}", yazhou) is None
    ]
    assert silent == []
