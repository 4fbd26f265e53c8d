"""Several matters in one call: told apart where the caller turns to another, one where it is one in other words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from routing.drafts import OTHERS, read
from routing.jurisdiction import Jurisdiction
from routing.reading.account import account
from routing.reading.pieces import joined, pieces_of
from routing.reading.spoken import Heard

CALLED_AT = datetime(2026, 11, 21, 6, 5, tzinfo=UTC)


def said(*texts: str) -> list[Heard]:
    return [Heard(number, "caller", text, CALLED_AT) for number, text in enumerate(texts, start=1)]


@pytest.mark.parametrize(
    ("texts", "matters"),
    [
        (["水南村三组的路灯不亮了另外隔壁烧烤摊天天半夜放音响太吵了"], ["street_lamp", "business_noise"]),
        (["老板拖欠我三个月工资还有一个事我们宿舍停水两天了"], ["wages", "water_supply"]),
        (["我想咨询一下医保怎么报销", "对了顺便问一下护照去哪里办"], ["medical_insurance", "id_documents"]),
        (["路灯不亮还有就是垃圾没人清运都臭了"], ["street_lamp", "garbage"]),
        (["水南村的路灯不亮垃圾也堆了一个星期没人清运"], ["street_lamp", "garbage"]),
    ],
)
def test_another_matter_is_told_apart(texts: list[str], matters: list[str], yazhou: Jurisdiction) -> None:
    told = account(said(*texts), yazhou, CALLED_AT)["matters"]
    assert [one["matter"] for one in told] == matters
    assert len({one["units"][0] for one in told}) == len(told)
    assert all(one["words"] and 0 < one["confidence"] <= 1 for one in told)


@pytest.mark.parametrize("turn", ["还有", "还有就是", "然后还有", "另外", "顺便说一下", "再一个", "对了", "以及"])
def test_a_turn_tells_matters_of_one_unit_apart(turn: str, yazhou: Jurisdiction) -> None:
    told = account(said(f"隔壁烧烤店油烟太大{turn}门口有人乱停车"), yazhou, CALLED_AT)["matters"]
    assert [(one["matter"], one["units"][0]) for one in told] == [
        ("oil_fume", "yz.zhifa"),
        ("sidewalk_parking", "yz.zhifa"),
    ]


@pytest.mark.parametrize(
    "texts",
    [
        ["两部电梯一部停了四个月了另外一部三天两头卡住物业说没有维修基金"],
        ["我家旁边有个变压器嗡嗡响还冒过一次火花"],
        ["路灯坏了好多天了而且晚上一盏灯都没有还有老人摔过一跤"],
        ["垃圾堆在楼下没人清运", "还有苍蝇蚊子臭得要命", "垃圾桶也满了"],
        ["工地半夜打桩太吵还有挖机的声音震得窗户都响"],
        ["我要投诉物业乱收费另外那条路也可以走"],
    ],
)
def test_one_matter_in_other_words_stays_one(texts: list[str], yazhou: Jurisdiction) -> None:
    assert len(account(said(*texts), yazhou, CALLED_AT)["matters"]) == 1


def test_each_matter_has_its_own_place(yazhou: Jurisdiction) -> None:
    first, second = account(said("水南村的路灯不亮了另外保平村那边垃圾堆了一个星期没人清运"), yazhou, CALLED_AT)[
        "matters"
    ]
    assert (first["territorial"], second["territorial"]) == ("yz.cun.shuinan", "yz.cun.baoping")


def test_the_first_fills_the_ticket_and_the_others_are_proposed(yazhou: Jurisdiction) -> None:
    fields, proposals = read(said("水南村的路灯不亮了", "另外我老板拖欠工资三个月了"), yazhou, CALLED_AT)
    assert fields["matter"]["value"] == "street_lamp"
    (other,) = proposals[OTHERS]
    assert other["id"] == "wages"
    assert "来电还说到" in other["reason"]
    assert "工资" in "".join(other["words"])


def test_the_event_of_the_first_matter_is_without_the_second(yazhou: Jurisdiction) -> None:
    fields, _ = read(said("水南村的路灯不亮了，晚上很黑，另外隔壁垃圾堆了一个星期没人清运"), yazhou, CALLED_AT)
    assert fields["event"]["value"] == "水南村的路灯不亮了；晚上很黑"


def test_nobody_is_proposed_for_what_no_unit_handles(yazhou: Jurisdiction) -> None:
    for text in ("请问你们办公室几点下班", "我上次的工单办到哪里了查一下进度"):
        (told,) = account(said(text), yazhou, CALLED_AT)["matters"]
        assert (told["units"], told["matter"] in {"office_information", "ticket_progress"}) == ([], True)


def test_pieces_hold_all_that_was_said() -> None:
    for text in ("路灯坏了另外还有一个事情就是停水", "还有", "又又又又", "另外", "停水了，也停电了。还有网也断了"):
        whole = joined(pieces_of(said(text)))
        letters = "".join(one.text for one in whole)
        assert letters == text.replace("，", "").replace("。", "")
