"""The five elements: times, places, persons, numbers, statements; and that no text whatever does harm."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from chinese_calendar import Holiday, get_holiday_detail
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.drafts import read
from routing.jurisdiction import Jurisdiction, load
from routing.reading.elements import Heard, extract
from routing.reading.festivals import day_of
from routing.reading.places import place_of
from routing.reading.proposal import propose
from routing.reading.spoken import Phrases, plain
from routing.reading.spoken_numbers import count
from routing.reading.spoken_time import time_of
from routing.reading.telephone_numbers import callback_number
from tests.routing.conftest import YAZHOU
from tests.routing.reading.test_openings import OPENINGS, heard

TIMES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("times.yaml").read_text("utf-8"))
SATURDAY = datetime(2026, 11, 21, 14, 5, tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("昨天晚上有人施工", "2026-11-20 夜间"),
        ("昨晚十点半", "2026-11-20 22:30"),
        ("昨天半夜一点多", "2026-11-21 01时许"),
        ("昨天凌晨两点", "2026-11-20 02:00"),
        ("半夜一点多还在唱歌", "2026-11-21 01时许"),
        ("晚上十一点多", "2026-11-20 23时许"),
        ("晚上十二点还在施工", "2026-11-21 00:00"),
        ("中午十二点半", "2026-11-21 12:30"),
        ("今早八点二十停水", "2026-11-21 08:20"),
        ("上个礼拜三", "2026-11-11"),
        ("上上周五", "2026-11-06"),
        ("星期一下午", "2026-11-16 下午"),
        ("下周一能办吗", None),
        ("三天前", "2026-11-18"),
        ("两个半小时前", "2026-11-21 11时许"),
        ("二十分钟前", "2026-11-21 13:45"),
        ("两天了", "2026-11-19 起"),
        ("一个星期没人管", "2026-11-14 起"),
        ("三个月不发工资", "2026-08 起"),
        ("半年了", "2026-05 起"),
        ("一个多月没发", "一个多月"),
        ("从昨天开始", "2026-11-20 起"),
        ("十一月十八号下午三点", "2026-11-18 15:00"),
        ("2025年12月31日", "2025-12-31"),
        ("十二月二十号", "2026-12-20"),
        ("这个月三号", "2026-11-03"),
        ("上个月", "2026-10"),
        ("今年九月份", "2026-09"),
        ("去年", "2025"),
        ("上周没清运", "2026-11-09 至 2026-11-15"),
        ("刚才", "2026-11-21 14:05 前后"),
        ("每天晚上", "每天晚上"),
        ("很久了", "很久"),
        ("好几天没人来了", "好几天"),
        ("不是昨天是前天", "2026-11-19"),
        ("快一点处理", None),
        ("我有两点建议", None),
        ("几点上班", None),
        ("十二号楼没水", None),
        ("二月三十号", None),
        ("九千九百九十九年前", None),
        ("十点二十五个人", "2026-11-21 10:25"),
    ],
)
def test_times(said: str, value: str | None) -> None:
    found = time_of([Heard(1, "caller", said, SATURDAY)], SATURDAY)
    assert (found.value if found else None) == value


def test_yesterday_is_counted_in_the_jurisdictions_timezone(yazhou: Jurisdiction) -> None:
    after_midnight_there = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)
    elements = extract([Heard(1, "caller", "昨天停水", after_midnight_there)], yazhou, after_midnight_there)
    assert elements.time is not None and elements.time.value == "2026-11-20"


@pytest.mark.parametrize("case", TIMES, ids=[str(case["said"])[:40] for case in TIMES])
def test_times_in_what_callers_say(case: dict[str, Any]) -> None:
    found = time_of(heard(case["said"]), SATURDAY)
    assert (found.value if found else "") == case["time"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("十", 10), ("二十三", 23), ("两", 2), ("一百零五", 105), ("十二", 12), ("12", 12), ("三五", None), ("", None)],
)
def test_counts(text: str, number: int | None) -> None:
    assert count(text) == number


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        (["一三八 七六五零 九二一四"], "13876509214"),
        (["幺三八七六五零九二幺四"], "13876509214"),
        (["138-7650-9214"], "13876509214"),
        (["我的手机号是", "一三八", "七六五零", "九二一四"], "13876509214"),
        (["电话八八八三五零零五"], "88835005"),
        (["零八九八八八八三五零零五"], "089888835005"),
        (["一三八七六五零九二一四", "不对是一三八七六五零九二一五"], "13876509215"),
        (["一三八七六五零九二一"], None),
        (["我要打十二三四五"], None),
        (["一共三百五十块一三五"], None),
        (["八八八三五零零五"], None),
    ],
)
def test_numbers_read_out(said: list[str], digits: str | None) -> None:
    found = callback_number([Heard(number, "caller", text, SATURDAY) for number, text in enumerate(said)])
    assert (found.digits if found else None) == digits


def test_a_number_that_the_agent_reads_out_is_no_callback_number() -> None:
    assert callback_number([Heard(1, "agent", "您的电话是一三八七六五零九二一四吗", SATURDAY)]) is None


def test_a_place_written_by_its_sound_is_less_certain(yazhou: Jurisdiction) -> None:
    exact = place_of(heard("在水南村停水了"), yazhou)
    by_sound = place_of(heard("在水男村停水了"), yazhou)
    assert exact and by_sound
    assert by_sound.value == exact.value == "水南村"
    assert by_sound.words == ("水男村",)
    assert by_sound.confidence < exact.confidence


@pytest.mark.parametrize(
    "said", ["梅西进球了", "三更半夜唱歌", "文明施工", "报平安", "香港门票", "大蛋糕", "离这里三公里"]
)
def test_ordinary_words_are_no_places(said: str, yazhou: Jurisdiction) -> None:
    assert place_of(heard(said), yazhou) is None


def test_all_places_of_the_file_are_recognised(yazhou: Jurisdiction) -> None:
    for place in yazhou.places:
        for spelling in (place.name, *place.also, *place.in_context):
            found = place_of(heard(f"我在{spelling}这边"), yazhou)
            if found and found.candidates:
                # 海棠 may be 海棠村 or 海棠区: the entry is among those that are asked about.
                assert place in found.candidates, spelling
                continue
            assert found and found.place, spelling
            assert found.place.unit == place.unit, spelling


def test_a_gap_ends_a_phrase_and_never_gets_into_a_field(yazhou: Jurisdiction) -> None:
    fields, _ = read(heard("保港 的 路灯 [unk] 坏了 [unk]"), yazhou, SATURDAY)
    assert fields["event"]["value"] == "保港的路灯…坏了"
    assert fields["place"]["value"] == "保港"
    fields, _ = read(heard("[unk]"), yazhou, SATURDAY)
    assert {name: field["value"] for name, field in fields.items() if field["value"]} == {"urgency": "normal"}


def test_the_longest_phrase_wins_over_those_inside_it() -> None:
    phrases = Phrases([("垃圾", 1), ("烧垃圾", 2), ("垃圾", 3)])
    assert [found.payloads for found in phrases.find(plain("有人 烧 垃圾"))] == [(2,)]
    assert [found.payloads for found in phrases.find("垃圾烧垃圾")] == [(1, 3), (2,)]


# Chosen to meet the grammars in odd orders: half a number, a denial before nothing, a gap in a name.
_PIECES = """就 在 是 的 对 不 不是 街 路 口 村 水南 保港 十 二 号 楼 点 半 昨天 晚上 多 年 前 个 [unk] 我 姓 叫 王
欧阳 电话 一三八 ， 。 投诉 麻烦 请问 好 老街 大 小 门口 那边 这个 着火 没有 怕 会 2026 😀 ａｂ a 1"""
_WORDS = st.sampled_from([*_PIECES.split(), "\x00", " "])
YAZHOU_LAW = load(YAZHOU)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(_WORDS, max_size=40).map("".join) | st.text(max_size=60), max_size=6))
def test_no_text_does_harm(said: list[str]) -> None:
    utterances = [Heard(number, "caller", text, SATURDAY) for number, text in enumerate(said)]
    fields, proposals = read(utterances, YAZHOU_LAW, SATURDAY)
    for name, field in fields.items():
        assert "[unk]" not in field["value"]
        assert "\x00" not in field["value"]
        assert YAZHOU_LAW.allows(name, field["value"]) or field["value"] == ""
    assert all(0 <= one["score"] <= 1 for ranked in proposals.values() for one in ranked)


@pytest.mark.parametrize(
    "stutter", ["就在", "那个", "老街", "是这样", "一二", "大桥", "不是", "的小区", "一点", "水南"]
)
def test_a_stutter_takes_no_longer_than_other_speech(stutter: str, yazhou: Jurisdiction) -> None:
    started = time.process_time()
    read(heard(stutter * 200 + "嗯"), yazhou, SATURDAY)
    assert time.process_time() - started < 10  # what this guards against took minutes


@pytest.mark.parametrize("piece", ["一二", "昨天", "水南", "的小区", "没有人管"])
def test_ten_thousand_characters_without_a_pause_are_read_in_linear_time(piece: str, yazhou: Jurisdiction) -> None:
    """Ten times the text may take ten times as long, with much room; from a quadratic expression it took hundreds."""

    def taken(length: int) -> float:
        text = piece * (length // len(piece))
        started = time.process_time()
        extract([Heard(1, "caller", f"{text}嗯", SATURDAY)], yazhou, SATURDAY)
        return time.process_time() - started

    taken(100)
    assert taken(10_000) < 60 * max(taken(1_000), 0.1)


def test_festivals_are_the_holidays_of_the_calendar() -> None:
    """The table against the calendar of chinesecalendar, where that knows the festival as a holiday."""
    names = {"春节": Holiday.spring_festival, "清明": Holiday.tomb_sweeping_day, "端午": Holiday.dragon_boat_festival,
             "中秋": Holiday.mid_autumn_festival}  # fmt: skip
    for year in (2024, 2025, 2026):
        for name, holiday in names.items():
            day = day_of(name, year)
            assert day is not None
            # Where two holidays fall together, the calendar names only one of them.
            told = get_holiday_detail(day)[1]
            assert told == holiday.value or (name, year) in {("中秋", 2025)}, (name, year, told)
    assert day_of("大年初三", 2026) == date(2026, 2, 19)
    assert day_of("国庆", 2050) == date(2050, 10, 1)
    assert day_of("中秋", 2050) is None


def test_a_new_utterance_costs_little_more_in_a_long_call(yazhou: Jurisdiction) -> None:
    """In proportion to the transcript at most; how many milliseconds it takes is measured by bench/speech.py."""
    texts = [utterance.text for case in OPENINGS for utterance in heard(case["said"])]
    transcript = [
        Heard(number, "agent" if number % 3 == 0 else "caller", f"{texts[number % len(texts)]}第{number}次", SATURDAY)
        for number in range(200)
    ]

    def seconds(lengths: range) -> float:
        started = time.process_time()
        for length in lengths:
            elements = extract(transcript[:length], yazhou, SATURDAY + timedelta(seconds=1))
            propose(transcript[:length], elements, yazhou)
        return time.process_time() - started

    seconds(range(1, 21))
    early = seconds(range(21, 61))
    seconds(range(61, 161))
    assert seconds(range(161, 201)) < 12 * early
