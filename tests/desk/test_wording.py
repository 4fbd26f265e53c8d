"""How things are shown: times where the hotline is, hostile characters visible, transcripts in pieces."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from desk import wording
from desk.catalogue import Catalogue
from desk.view import Piece, pieces
from ivr.events import ListeningUnavailable
from routing import jurisdiction
from routing.tickets import BadField
from settings import ROOT
from tests.desk.running_desk import a_call, an_utterance

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("张三 13800000001", "张三 13800000001"),
        ("a\r\nb\t\x00\x7f", "a␍␊b␉␀␡"),
        ("\u202egnp\u200b\u2028", "[202E]gnp[200B][2028]"),
        ("\ud800", "[D800]"),
        ("👨\u200d👩", "👨[200D]👩"),
        ("", ""),
    ],
)
def test_what_shows_nothing_is_made_visible(text: str, shown: str) -> None:
    assert wording.visible(text) == shown


def test_times_are_those_of_the_jurisdiction() -> None:
    at = datetime(2026, 7, 16, 17, 3, 9, tzinfo=UTC)
    assert wording.clock(at, SHANGHAI) == "01:03:09"
    assert wording.day_and_clock(at, SHANGHAI) == "07-17 01:03"
    assert wording.full_time(at, SHANGHAI) == "2026-07-17 01:03:09"
    assert wording.clock(None, SHANGHAI) == ""


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-3, "0:00"), (0, "0:00"), (59.9, "0:59"), (60, "1:00"), (3599, "59:59"), (3600, "1:00:00")]
)
def test_durations(seconds: float, shown: str) -> None:
    assert wording.duration(seconds) == shown


LAW = jurisdiction.load(ROOT / "config" / "jurisdictions" / "yazhou.yaml")


def test_a_line_of_the_transcript_in_pieces() -> None:
    said = an_utterance(a_call(), 1, "请 接 Wi Fi 到 [unk] 水南村")
    said.words[1]["confidence"] = 0.3
    assert pieces(said, LAW) == [
        Piece("sure", "请"),
        Piece("unsure", "接", "30%"),
        Piece("sure", "Wi Fi到"),
        Piece("gap", "□□"),
        Piece("sure", "水南村。"),
    ]


def test_numbers_are_readable_and_keep_the_words_as_heard() -> None:
    said = an_utterance(a_call(), 1, "我 住 十二 号 楼 电话 幺 三 八 七 六 五 四 三 二 幺 零")
    said.words[7]["confidence"] = 0.3
    assert pieces(said, LAW) == [
        Piece("sure", "我住"),
        Piece("sure", "12", heard="十二"),
        Piece("sure", "号楼电话"),
        Piece("unsure", "13876543210。", "30%", "幺三八七六五四三二幺零"),
    ]


def test_a_line_without_words_is_read_from_its_text() -> None:
    said = an_utterance(a_call(), 1, "[unk] 停水 了", confidence=0.4)
    said.words = []
    assert pieces(said, LAW) == [Piece("gap", "□□"), Piece("unsure", "停水", "40%"), Piece("unsure", "了。", "40%")]


def test_typed_names_lead_back_to_one_id() -> None:
    law = jurisdiction.load(ROOT / "config" / "jurisdictions" / "yazhou.yaml")
    catalogue = Catalogue(law)
    for field in ("matter", "functional_unit", "territorial_unit", "intent", "urgency"):
        choices = catalogue.choices(field)
        assert choices
        for choice in choices:
            assert catalogue.id(field, f" {choice.name} ") == choice.id
            assert catalogue.id(field, choice.id) == choice.id
            assert catalogue.name(field, choice.id) == choice.name
    unit = next(choice for choice in catalogue.choices("functional_unit") if choice.hint != choice.name)
    assert catalogue.id("functional_unit", unit.hint) == unit.id
    assert catalogue.id("matter", "  ") == "" and catalogue.id("place", " 水南村 ") == " 水南村 "
    assert catalogue.name("matter", "gone_since") == "gone_since"
    with pytest.raises(BadField) as refused:
        catalogue.id("matter", "没有这个事项")
    assert refused.value.field == "matter"


def test_two_units_of_one_name_are_told_apart() -> None:
    law = jurisdiction.load(ROOT / "config" / "jurisdictions" / "yazhou.yaml")
    group = law.unit_groups[0]
    twins = tuple(group.units[0].model_copy(update={"id": f"yz.twin{number}"}) for number in (1, 2))
    tree = law.model_dump() | {"unit_groups": [group.model_copy(update={"units": twins}).model_dump()]}
    law = jurisdiction.Jurisdiction.model_validate(tree)
    catalogue = Catalogue(law)
    assert catalogue.id("functional_unit", catalogue.name("functional_unit", "yz.twin2")) == "yz.twin2"
    with pytest.raises(BadField):
        catalogue.id("functional_unit", twins[0].name)


def test_every_reason_for_not_listening_has_its_words() -> None:
    reasons = get_args(ListeningUnavailable.model_fields["reason"].annotation)
    assert len(reasons) > 3 and set(reasons) == set(wording.LISTENING_TROUBLE)
