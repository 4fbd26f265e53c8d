"""Readable text: numbers, names, punctuation, gaps; that nothing is lost, and that no words whatever do harm."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.jurisdiction import Jurisdiction
from routing.reading.spoken_numbers import count
from routing.reading.written import SpokenWord, written

CASES: list[list[str]] = yaml.safe_load(Path(__file__).with_name("written.yaml").read_text("utf-8"))


def spoken(text: str) -> list[SpokenWord]:
    """The words of a case with times: no pause between words, half a second where a bar stands."""
    words, at = [], 0.0
    for word in text.split():
        if word == "|":
            at += 0.5
        else:
            words.append(SpokenWord(word, at, at + 0.3))
            at += 0.3
    return words


@pytest.mark.parametrize(("said", "read"), CASES, ids=[said for said, _ in CASES])
def test_what_an_agent_reads(said: str, read: str, yazhou: Jurisdiction) -> None:
    assert written(spoken(said), yazhou).text == read


@pytest.mark.parametrize("said", [said for said, _ in CASES])
def test_every_piece_knows_its_words(said: str, yazhou: Jurisdiction) -> None:
    words = spoken(said)
    made = written(words, yazhou)
    assert [number for piece in made.pieces for number in range(piece.first, piece.last)] == list(range(len(words)))
    assert "".join(piece.text for piece in made.pieces) == made.text


@given(st.integers(min_value=10, max_value=99_999_999))
@settings(max_examples=200, deadline=None)
def test_a_number_keeps_its_value(yazhou: Jurisdiction, number: int) -> None:
    said = _said(number)
    assert count(said) == number
    text = written([SpokenWord("赔"), SpokenWord(said), SpokenWord("块")], yazhou).text
    read = re.sub(r"(\d+)万", lambda found: found[1] + "0000", text)
    assert read == f"赔{number}块。"


@given(st.text(alphabet="零一二三四五六七八九幺", min_size=3, max_size=20))
@settings(max_examples=200, deadline=None)
def test_no_digit_is_lost_or_invented(yazhou: Jurisdiction, digits: str) -> None:
    text = written([SpokenWord("号码"), SpokenWord(digits)], yazhou).text
    assert (
        text == "号码" + "".join(str("零一二三四五六七八九".find(one)) if one != "幺" else "1" for one in digits) + "。"
    )


@given(st.lists(st.text(max_size=8), max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_words_can_be_written(yazhou: Jurisdiction, texts: list[str]) -> None:
    made = written([SpokenWord(text, number * 0.4, number * 0.4 + 0.1) for number, text in enumerate(texts)], yazhou)
    assert "".join(piece.text for piece in made.pieces) == made.text
    ends = [0, *(piece.last for piece in made.pieces)]
    assert all(end <= piece.first < piece.last <= len(texts) for end, piece in zip(ends, made.pieces, strict=False))


def test_a_long_utterance_takes_time_in_proportion(yazhou: Jurisdiction) -> None:
    def seconds(length: int) -> float:
        words = spoken("我 住 十二号楼 三单元 五零二 一下 就 停水 两三 天 了 但是 " * length)
        began = time.process_time()
        written(words, yazhou)
        return time.process_time() - began

    seconds(50)
    # The best of three: the interpreter may tidy up its memory in any.
    assert min(seconds(1600) for _ in range(3)) < 40 * max(seconds(160), 0.002)


def _said(number: int) -> str:
    """A number as it is said in full."""
    if number >= 10_000:
        below = number % 10_000
        return _said(number // 10_000) + "万" + ("" if not below else ("零" if below < 1000 else "") + _said(below))
    text, gap = "", False
    for step, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // step % 10
        if digit:
            text += ("零" if gap and text else "") + "零一二三四五六七八九"[digit] + name
            gap = False
        else:
            gap = True
    return text
