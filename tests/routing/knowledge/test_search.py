"""What agents type or callers say finds the right item, also misheard; the same on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from routing.centre import Centre
from routing.knowledge import items
from routing.knowledge.items import Text
from routing.knowledge.search import search
from routing.knowledge.words import sounds_of, words_of
from routing.life.errors import BadValue
from tests.routing.knowledge.conftest import CLERK, NEXT_YEAR, OFFICE, TEXTS, Clockwork, publish

QUESTIONS = [
    ("我的社保卡丢了怎么办", "社会保障卡丢了怎么补办"),
    ("社保卡挂失", "社会保障卡丢了怎么补办"),
    ("养老保险在哪里交钱", "城乡居民养老保险怎么缴费"),
    ("住院能报多少", "城乡居民医疗保险报销比例"),
    ("异地就医备案", "城乡居民医疗保险报销比例"),
    ("我们村路灯坏了", "路灯不亮找谁修"),
    ("家里没水了是不是停水", "自来水停水什么时候恢复"),
    ("严造路修路要到什么时候", "盐灶路施工占道情况"),
    ("小孩出生怎么上户口", "新生儿户口登记需要什么材料"),
    ("开店要办什么执照", "个体工商户营业执照办理流程"),
    ("公租房", "公租房申请条件"),
    ("工地半夜施工太吵了", "噪声扰民投诉处理流程"),
    ("有人在田里烧秸秆", "秸秆垃圾焚烧举报"),
    ("低保怎么申请", "低保申请程序"),
]


async def test_questions_find_their_items(filled: Centre) -> None:
    first, in_three = [], []
    for question, title in QUESTIONS:
        found = [one.title for one in await search(filled, question)]
        if found[:1] != [title]:
            first.append((question, found[:3]))
        if title not in found[:3]:
            in_three.append((question, found[:3]))
    assert in_three == []
    assert len(first) <= 1, first


async def test_the_better_match_comes_first_and_says_where(filled: Centre) -> None:
    found = await search(filled, "停水")
    assert found[0].title == "自来水停水什么时候恢复" and found[0].score > 0.5
    assert "停水" in found[0].snippet
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert len(await search(filled, "办理", limit=2)) <= 2


@pytest.mark.parametrize(
    "question",
    [
        "",
        "  ",
        "请问一下这个怎么办",
        "？！",
        "火星移民",
        '"',
        "'",
        "路灯' | 'x",
        'a" OR "b',
        "NEAR(",
        "*",
        "title:",
        "%_\\",
        ":*&|!<->",
    ],
    ids=range(14),
)
async def test_nonsense_finds_nothing_and_breaks_nothing(filled: Centre, question: str) -> None:
    found = [one.title for one in await search(filled, question)]
    assert found in ([], ["路灯不亮找谁修"])
    assert bool(found) is ("路灯" in question)


@pytest.mark.parametrize("question", ["看" * 201, "停\x00水"], ids=["too long", "control character"])
async def test_what_cannot_be_a_question_is_refused(filled: Centre, question: str) -> None:
    with pytest.raises(BadValue):
        await search(filled, question)


async def test_only_what_is_published_and_holds_today_is_found(centre: Centre, clockwork: Clockwork) -> None:
    today = clockwork.at.date()
    body = "测试内容"
    await items.draft(centre, OFFICE, Text("开渔日期", body, review_by=NEXT_YEAR))
    later = Text("开渔日期（明年）", body, valid_from=today + timedelta(days=3), review_by=NEXT_YEAR)
    await publish(centre, later)
    await publish(centre, Text("开渔日期（今年）", body, valid_until=today + timedelta(days=1), review_by=NEXT_YEAR))
    assert [one.title for one in await search(centre, "开渔")] == ["开渔日期（今年）"]
    clockwork.passes(timedelta(days=2))
    assert await search(centre, "开渔") == []
    clockwork.passes(timedelta(days=1))
    assert [one.title for one in await search(centre, "开渔")] == ["开渔日期（明年）"]


async def test_a_new_version_is_found_by_its_own_words_only(centre: Centre) -> None:
    item = await publish(centre, Text("免费乘车卡办理", "六十五岁以上老人", review_by=NEXT_YEAR))
    revised = await items.revise(centre, item.id, item.version, CLERK, Text("敬老卡", "七十岁", review_by=NEXT_YEAR))
    assert [one.number for one in await search(centre, "乘车卡")] == [1]
    published = await items.review(centre, item.id, revised.version, OFFICE, publish=True)
    assert await search(centre, "乘车卡") == []
    assert [one.number for one in await search(centre, "敬老卡")] == [2]
    await items.withdraw(centre, item.id, published.version, OFFICE, why="政策停止")
    assert await search(centre, "敬老卡") == []


def test_words_are_cut_and_sounds_forgive_what_was_misheard() -> None:
    assert "社会" in words_of("社会保障卡") and "的" not in words_of("我的卡")
    assert sounds_of(["盐灶"]) == sounds_of(["严造"]) == ["yanzao"]
    assert words_of("，。！ ABC") == ["abc"]
    assert len(TEXTS) == 12
