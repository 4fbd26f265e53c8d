"""Spellings that are the same, and such that are not."""

from __future__ import annotations

import pytest

from evaluation.likeness import holds, holds_by_sound, spelt


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("十二号楼三单元五零二", "12号楼3单元502"),
        ("三百五十块", "350块"),
        ("三百五", "350"),
        ("三百零五", "305"),
        ("一千二", "1200"),
        ("二十", "20"),
        ("十", "10"),
        ("十五", "15"),
        ("二零二六年", "2026年"),
        ("两千零一", "2001"),
        ("幺三八", "138"),
        ("三亚，市 ABC", "3亚市abc"),
    ],
)
def test_numbers_in_digits(text: str, result: str) -> None:
    assert spelt(text) == result


@pytest.mark.parametrize(
    ("value", "piece", "held"),
    [("水南村12号", "十二号", True), ("水南村十二号", "12号", True), ("水南村", "海棠", False), ("", "水", False)],
)
def test_pieces(value: str, piece: str, held: bool) -> None:
    assert holds(value, piece) is held


@pytest.mark.parametrize(
    ("value", "name", "held"),
    [
        ("严造村口", "盐灶", True),
        ("宝港", "保港", True),
        ("隆港社区", "龙港", True),
        ("常山村那边", "长山村", True),
        ("海棠", "水南", False),
        ("", "水南", False),
        ("西安", "先", False),
        ("深海社区", "镇海", False),
    ],
)
def test_names_by_sound(value: str, name: str, held: bool) -> None:
    assert holds_by_sound(value, name) is held
