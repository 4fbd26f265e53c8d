"""Wordings with gaps and alternatives, all looked for at once."""

from __future__ import annotations

import time

import pytest

from routing.reading.spoken import GAP
from routing.reading.wordings import Wordings

WORDINGS = Wordings([("灯/路灯…不亮/没亮", "lamp"), ("停水", "water"), ("从…楼…掉/摔", "fall")])


def found(text: str) -> list[tuple[str, str]]:
    return [(one.phrase, payload) for one in WORDINGS.find(text) for payload in one.payloads]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("路灯不亮", [("灯不亮", "lamp")]),
        ("灯一二三四五六七八不亮", [("灯一二三四五六七八不亮", "lamp")]),
        ("灯一二三四五六七八九不亮", []),
        ("不亮的灯", []),
        ("灯坏了，不亮", []),
        (f"灯{GAP}不亮", []),
        ("停水停水停水", [("停水", "water")]),
        ("从三楼上面摔下来", [("从三楼上面摔", "fall")]),
        ("楼从掉", []),
        ("", []),
    ],
)
def test_what_is_found(text: str, expected: list[tuple[str, str]]) -> None:
    phrases = found(text)
    assert [payload for _, payload in phrases] == [payload for _, payload in expected]
    assert all(phrase in text for phrase, _ in phrases)
    for (phrase, _), (wanted, _) in zip(phrases, expected, strict=True):
        assert phrase.endswith(wanted)


def test_a_long_text_takes_no_longer_than_its_length() -> None:
    """Ten times the text, about ten times the work: a caller who never pauses must not hold up others."""
    short, long = "灯从楼" * 300, "灯从楼" * 3000
    took = []
    for text in (short, long):
        rounds = []
        for _ in range(5):  # the best of them: the interpreter may tidy up its memory in any
            started = time.process_time()
            WORDINGS.find(text)
            rounds.append(time.process_time() - started)
        took.append(min(rounds))
    assert took[1] < max(took[0], 0.001) * 60
