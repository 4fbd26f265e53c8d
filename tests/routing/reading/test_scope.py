"""Whether a call is taken in, and on which ground it would be refused: proposed, with the words, never decided."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from routing.drafts import GROUND, PLACE, SCOPE, read
from routing.jurisdiction import Jurisdiction, load
from routing.reading.account import account
from routing.reading.spoken import Heard
from tests.routing.conftest import YAZHOU

CALLED_AT = datetime(2026, 11, 21, 6, 5, tzinfo=UTC)


def said(*texts: str) -> list[Heard]:
    return [Heard(number, "caller", text, CALLED_AT) for number, text in enumerate(texts, start=1)]


@pytest.mark.parametrize(
    ("text", "scope", "ground"),
    [
        ("水南村的路灯坏了半个月没人修", "accept", None),
        ("劳动仲裁怎么申请要带什么材料", "accept", None),
        ("窗口的人骂我是猪我要求她道歉", "accept", None),
        ("吉阳区那家饭店宰客我要投诉", "refuse", "YZ-12-5"),
        ("请问海口的社保局几点上班", "refuse", "YZ-12-5"),
        ("法院都判了我不服你们政府给我改过来", "refuse", "YZ-12-6"),
        ("你们这帮王八蛋废物吃屎去吧", "refuse", "YZ-12-4"),
        ("大家一起来推翻政府打倒共产党", "refuse", "YZ-12-2"),
        ("帮我办一张假的毕业证多少钱", "refuse", "YZ-12-1"),
        ("麻烦查一下崖城那家酒店的电话号码", "transfer_114", None),
        ("后天去广州的飞机几点起飞", "transfer_114", None),
        ("着火了三楼有人没跑出来快点", "transfer_emergency", None),
        ("喂喂喂听得到吗", "clarify", None),
        ("不好意思打错了", "clarify", None),
        ("", "clarify", None),
    ],
)
def test_the_scope_of_a_call(text: str, scope: str, ground: str | None, yazhou: Jurisdiction) -> None:
    told = account(said(text), yazhou, CALLED_AT)
    assert (told["scope"], told["refuse_ground"]) == (scope, ground)


def test_help_from_outside_is_not_refused(yazhou: Jurisdiction) -> None:
    """YZ-12(5) lists consultation, report and complaint; help is referred (S3)."""
    told = account(said("我在乐东车坏在路上了没吃没喝求助你们帮帮我"), yazhou, CALLED_AT)
    assert told["scope"] == "accept"
    assert told["matters"] == [] or told["matters"][0]["intent"] == "help"


def test_discipline_goes_where_the_law_of_the_jurisdiction_says(yazhou: Jurisdiction) -> None:
    """YZ-14(5) transfers it to the discipline inspection."""
    told = account(said("我要举报村书记受贿贪污公款"), yazhou, CALLED_AT)
    assert told["scope"] == "accept"
    assert told["matters"][0]["units"][0] == "yz.jiwei"


def test_danger_goes_before_abuse(yazhou: Jurisdiction) -> None:
    told = account(said("你们这帮废物还不来房子着火了有人在里面"), yazhou, CALLED_AT)
    assert told["scope"] == "transfer_emergency"
    assert told["line"] == "119"


def test_the_ticket_ranks_scope_and_grounds_with_words_and_article(yazhou: Jurisdiction) -> None:
    _, proposals = read(said("我要投诉海口的一家饭店宰客"), yazhou, CALLED_AT)
    assert proposals[SCOPE][0]["id"] == "refuse"
    assert {one["id"] for one in proposals[SCOPE]} >= {"refuse", "accept"}
    (ground, *_) = proposals[GROUND]
    assert ground["id"] == "YZ-12-5"
    assert ground["words"]
    assert "第十二条（五）" in ground["reason"]
    assert "由坐席决定" in ground["reason"]
    assert proposals[PLACE] == []


def test_places_of_one_name_are_asked(yazhou: Jurisdiction) -> None:
    fields, proposals = read(said("我在海棠这里有人乱倒垃圾"), yazhou, CALLED_AT)
    if fields["territorial_unit"]["value"] == "":
        assert len(proposals[PLACE]) >= 2
        assert all("请问来电人" in one["reason"] for one in proposals[PLACE])
    else:
        assert proposals[PLACE] == []


@pytest.mark.parametrize("name", ["sanya", "yangling", "qionghai", "turpan"])
def test_every_jurisdiction_reads_a_call_by_its_own_law(name: str) -> None:
    other = load(YAZHOU.with_name(f"{name}.yaml"))
    grounds = {ground.id for ground in other.law.refusal_grounds}
    for text in ("法院判了我不服你们给我改", "我要投诉你们这帮王八蛋", "路灯坏了", ""):
        told = account(said(text), other, CALLED_AT)
        assert told["refuse_ground"] is None or told["refuse_ground"] in grounds
        assert (told["scope"] == "refuse") == (told["refuse_ground"] is not None)
