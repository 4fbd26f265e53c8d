"""The figures of a right reader are 100 %, those of a wrong one 0, and every rule of marking holds by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evaluation.cases import Case
from evaluation.figures import ELEMENTS, added_up, badness, mistakes
from evaluation.marks import Answer, Mark, Outcome, marks_of, same_time
from tests.evaluation import made


def _mark(case: Case, answer: Answer, element: str) -> Mark:
    (found,) = [mark for mark in marks_of(case, answer) if mark.element == element]
    return found


def _changed(case: Case, **told: Any) -> Answer:
    answer = made.right(case)
    return replace(answer, account={**answer.account, **told})


def test_a_right_reader_gets_all_of_everything() -> None:
    tallies = added_up(mark for case in made.CASES for mark in marks_of(case, made.right(case)))
    for element in ELEMENTS:
        tally = tallies[element.element]
        assert tally.recall.whole > 0, f"no made case measures {element.element}"
        assert tally.recall.value == tally.precision.value == 1, element.element
        assert tally.false_proposals.part == 0, element.element


def test_a_wrong_reader_gets_nothing() -> None:
    tallies = added_up(mark for case in made.CASES for mark in marks_of(case, made.wrong(case)))
    for element in ELEMENTS:
        # That there is a demand, or a danger, is all that is asked of these; pieces and lines are measured beside.
        if element.element not in ("demand", "danger"):
            assert tallies[element.element].recall.value == 0, element.element
    for element in ("place", "time", "person", "callback_number", "demand", "emergency", "refuse_ground"):
        assert tallies[element].false_proposals.value == 1, element
    assert tallies["further_matters"].outcomes[Outcome.INVENTED] > 0


def test_a_silent_reader_misses_all_and_invents_nothing() -> None:
    silent = Answer(made.nothing_told())
    tallies = added_up(mark for case in made.CASES for mark in marks_of(case, silent))
    for element in ELEMENTS:
        assert tallies[element.element].recall.part == 0
        assert tallies[element.element].outcomes[Outcome.INVENTED] == 0
    assert tallies["place"].outcomes[Outcome.MISSED] == 2
    assert tallies["emergency"].outcomes[Outcome.MISSED] == 1


@pytest.mark.parametrize(
    ("unit", "value", "ask", "outcome"),
    [
        ("yz.cun.shuinan", "水南村三组", [], Outcome.RIGHT),
        ("yz.cun.shuinan", "水南村3组", [], Outcome.RIGHT),
        ("yz.cun.shuinan", "崖州区睡男村三组路口", [], Outcome.RIGHT),
        ("yz.cun.shuinan", "水南村", [], Outcome.WRONG),
        ("yz.cun.sangeng", "水南村三组", [], Outcome.WRONG),
        (None, "水南村三组", [], Outcome.WRONG),
    ],
)
def test_a_place_is_its_unit_and_its_words(unit: str | None, value: str, ask: list[str], outcome: Outcome) -> None:
    lamp = made.CASES[0]
    assert _mark(lamp, _changed(lamp, place={"unit": unit, "value": value, "ask": ask}), "place").outcome is outcome


@pytest.mark.parametrize(
    ("unit", "ask", "outcome"),
    [
        (None, ["海棠村", "海棠区"], Outcome.RIGHT),
        (None, [], Outcome.WRONG),
        ("yz.cun.haitang", ["海棠村", "海棠区"], Outcome.WRONG),
        ("yz.cun.haitang", [], Outcome.WRONG),
    ],
)
def test_a_homonym_must_be_asked_about_and_not_be_picked(unit: str | None, ask: list[str], outcome: Outcome) -> None:
    fire = made.CASES[1]
    told = _changed(fire, place={"unit": unit, "value": "海棠", "ask": ask})
    assert _mark(fire, told, "place").outcome is outcome


def test_the_kind_of_a_place_may_be_left_out_when_its_unit_is_right() -> None:
    case = Case.model_validate({**made.LAMP, "place": {"unit": "yz.cun.gangmen", "words": "港门村"}})
    told = {"unit": "yz.cun.gangmen", "value": "港门文化室", "ask": []}
    assert _mark(case, _changed(case, place=told), "place").outcome is Outcome.RIGHT
    assert _mark(case, _changed(case, place={**told, "unit": None}), "place").outcome is Outcome.WRONG


@pytest.mark.parametrize(
    ("expected", "got", "words", "same"),
    [
        ("2026-11-20 夜间", "2026-11-20 夜间", (), True),
        ("2026-11-20 夜间", "2026-11-20", (), False),
        ("2026-11-20 夜间", "2026-11-20 凌晨", (), False),
        ("2026-11-19 起", "2026-11-19", (), True),
        ("2026-11-21 14:05 前后", "2026-11-21 14:05", (), True),
        ("2026-11-21 05:00 前后", "2026-11-21 05时许 起", (), True),
        ("2026-11-21 05:00", "2026-11-21 06时许", (), False),
        ("2026-09", "2026-09 起", (), True),
        ("2026-09", "2026-10", (), False),
        ("很久", "很久了", ("很久了",), True),
        ("很久", "一直", ("一直",), False),
        ("每天晚上", "夜间", ("每天晚上",), True),
        ("半夜", "2026-11-21 凌晨", ("半夜",), False),
        ("去年", "2025", ("去年",), True),
        ("这个礼拜", "2026-11-16 至 2026-11-22", ("这个礼拜",), True),
        ("很久", "", (), False),
        ("2026-09-01", "九月一号", (), False),
    ],
)
def test_times_agree_in_date_and_part_and_vague_ones_in_words(
    expected: str, got: str, words: tuple[str, ...], same: bool
) -> None:
    assert same_time(expected, got, words) is same


@pytest.mark.parametrize(
    ("got", "outcome"),
    [
        ("13800123456", Outcome.RIGHT),
        ("13800123457", Outcome.WRONG),
        ("1380012345", Outcome.WRONG),
        (None, Outcome.MISSED),
    ],
)
def test_a_number_is_right_with_every_digit(got: str | None, outcome: Outcome) -> None:
    lamp = made.CASES[0]
    assert _mark(lamp, _changed(lamp, callback_number=got), "callback_number").outcome is outcome


@pytest.mark.parametrize(
    ("lines", "needed_most", "each"),
    [
        (["120", "119"], Outcome.RIGHT, {Outcome.RIGHT: 2}),
        (["119"], Outcome.RIGHT, {Outcome.RIGHT: 1, Outcome.MISSED: 1}),
        (["120"], Outcome.WRONG, {Outcome.RIGHT: 1, Outcome.MISSED: 1}),
        ([], Outcome.MISSED, {Outcome.MISSED: 2}),
        (["119", "122"], Outcome.RIGHT, {Outcome.RIGHT: 1, Outcome.MISSED: 1, Outcome.INVENTED: 1}),
    ],
)
def test_an_emergency_is_recalled_with_the_line_needed_most(
    lines: list[str], needed_most: Outcome, each: dict[Outcome, int]
) -> None:
    fire = made.CASES[1]
    answer = _changed(fire, lines=lines)
    assert _mark(fire, answer, "emergency").outcome is needed_most
    outcomes = [mark.outcome for mark in marks_of(fire, answer) if mark.element == "lines"]
    assert {outcome: outcomes.count(outcome) for outcome in outcomes} == each


def test_a_line_that_nobody_needs_is_a_false_alarm() -> None:
    bribe = made.CASES[4]
    tally = added_up(marks_of(bribe, _changed(bribe, lines=["110"])))["emergency"]
    assert tally.false_proposals.value == 1


def test_where_a_line_would_be_as_right_as_none_there_is_no_false_alarm() -> None:
    either = [{"matter": "party_discipline", "intent": "report", "urgency": ["normal", "guide"]}]
    case = Case.model_validate({**made.BRIBE, "matters": either})
    elements = {mark.element for mark in marks_of(case, _changed(case, lines=["110"]))}
    assert not elements & {"emergency", "danger", "lines"}


@pytest.mark.parametrize(
    ("got", "outcomes"),
    [
        (["street_lamp", "noise"], [Outcome.RIGHT]),
        (["noise", "street_lamp"], [Outcome.RIGHT]),
        (["street_lamp"], [Outcome.MISSED]),
        (["street_lamp", "manhole"], [Outcome.WRONG]),
        (["street_lamp", "noise", "manhole"], [Outcome.RIGHT, Outcome.INVENTED]),
        ([], [Outcome.MISSED]),
    ],
)
def test_further_matters_in_any_order(got: list[str], outcomes: list[Outcome]) -> None:
    lamp = made.CASES[0]
    matters = [{"matter": one, "intent": "help", "urgency": "normal", "units": []} for one in got]
    marks = marks_of(lamp, _changed(lamp, matters=matters))
    assert [mark.outcome for mark in marks if mark.element == "further_matters"] == outcomes


def test_a_matter_told_once_and_read_twice_is_invented() -> None:
    bribe = made.CASES[4]
    matters = [
        {"matter": one, "intent": "report", "urgency": "normal", "units": []} for one in ("party_discipline", "police")
    ]
    assert _mark(bribe, _changed(bribe, matters=matters), "further_matters").outcome is Outcome.INVENTED


def test_a_unit_among_the_first_three() -> None:
    lamp = made.CASES[0]
    matter = {"matter": "street_lamp", "intent": "help", "urgency": "normal"}
    third = _changed(lamp, matters=[{**matter, "units": ["yz.renda", "yz.jiwei", "yz.zonghe", "yz.zhujian"]}])
    fourth = _changed(lamp, matters=[{**matter, "units": ["yz.renda", "yz.jiwei", "yz.x", "yz.zhujian"]}])
    second_best = _changed(lamp, matters=[{**matter, "units": ["yz.zonghe"]}])
    assert _mark(lamp, third, "unit").outcome is Outcome.WRONG
    assert _mark(lamp, third, "unit_3").outcome is Outcome.RIGHT
    assert _mark(lamp, fourth, "unit_3").outcome is Outcome.WRONG
    assert _mark(lamp, second_best, "unit").outcome is Outcome.RIGHT
    assert _mark(lamp, second_best, "unit_best").outcome is Outcome.WRONG


def test_discipline_may_be_called_by_its_name() -> None:
    bribe, lamp = made.CASES[4], made.CASES[0]
    assert _mark(bribe, _changed(bribe, scope="discipline"), "scope").outcome is Outcome.RIGHT
    assert _mark(lamp, _changed(lamp, scope="discipline"), "scope").outcome is Outcome.WRONG


def test_units_that_are_not_labelled_are_not_scored() -> None:
    case = Case.model_validate(
        {**made.BRIBE, "matters": [{"matter": "party_discipline", "intent": "report", "urgency": "normal"}]}
    )
    assert not [mark for mark in marks_of(case, made.wrong(case)) if mark.element.startswith("unit")]


def test_an_emergency_that_is_missed_is_the_worst_mistake() -> None:
    fire, lamp = made.CASES[1], made.CASES[0]
    missed = badness(marks_of(fire, _changed(fire, lines=[])))
    no_number = badness(marks_of(lamp, _changed(lamp, callback_number=None)))
    assert missed > no_number > 0
    assert not mistakes(marks_of(lamp, made.right(lamp)))
