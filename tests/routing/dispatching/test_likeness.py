"""What counts as the same matter: by sound, by place, by caller; never across places or matters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.dispatching.likeness import OFFERED, Likeness, Told, likeness
from routing.dispatching.whereabouts import whereabouts
from tests.routing.life.conftest import MONDAY, jurisdiction


def told(place: str = "", event: str = "", caller: str = "", matter: str = "street_lamp") -> Told:
    return Told(matter, whereabouts(jurisdiction("yazhou"), place).name, place, event, caller, MONDAY)


def alike(one: Told, other: Told) -> Likeness | None:
    return likeness(jurisdiction("yazhou"), one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (told("盐灶", "路灯坏了"), told("严造", "路灯不亮")),
        (told("盐灶村口", "路灯坏了三天"), told("严造村口", "村口路灯不亮")),
        (told("保港市场门口", "路灯坏了"), told("保港市场", "路灯坏了两天了")),
        (told("某某花园8号", "路灯坏"), told("谋谋花园8号", "路灯坏了")),
        (told("水南一村", "路灯坏了"), told("水南", "路灯坏了")),
    ],
    ids=["sound", "sound and detail", "market", "unknown place", "other spelling"],
)
def test_the_same_told_by_two(one: Told, other: Told) -> None:
    found = alike(one, other)
    assert found is not None and found.score >= OFFERED, found
    assert not found.same_caller and len(found.reasons) >= 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (told("保港", "路灯坏了"), told("梅山", "路灯坏了")),
        (told("保港", "路灯坏了"), told("保港", "垃圾没人收", matter="garbage")),
        (told("", "路灯坏了"), told("", "路灯坏了")),
        (told("保港", "路灯坏了"), told("", "路灯坏了")),
        (told("某某花园", "路灯坏了"), told("海景公寓", "路灯坏了")),
        (told("", "路灯坏了", matter=""), told("", "路灯坏了", matter="")),
    ],
    ids=["place", "matter", "nowhere", "one nowhere", "unknown places", "no matter"],
)
def test_what_is_not_the_same(one: Told, other: Told) -> None:
    assert alike(one, other) is None


def test_two_lamps_somewhere_in_a_district_are_not_offered() -> None:
    found = alike(told("崖州区", "路灯坏"), told("崖州区", "灯不亮"))
    assert found is not None and found.score < OFFERED


def test_what_one_caller_tells_again_needs_no_place() -> None:
    found = alike(told("", "路灯坏了", "a"), told("保港", "路灯坏了", "a"))
    assert found is not None and found.same_caller
    assert alike(told("梅山", "路灯坏了", "a"), told("保港", "路灯坏了", "a")) is None


def test_where_nobody_named_the_matter_one_callers_words_decide() -> None:
    one = told("", "邻居装修太吵了天天晚上施工", "a", matter="")
    assert alike(one, told("", "邻居晚上装修施工太吵", "a", matter="")) is not None
    assert alike(one, told("", "医保卡怎么办理", "a", matter="")) is None


texts = st.sampled_from(
    ["", "盐灶", "严造村口", "保港市场", "保港", "崖州区", "某某花园8号", "路灯坏了", "灯不亮", "1", "\x00"]
)


@given(st.builds(told, texts, texts, st.sampled_from(["", "a", "b"])), st.builds(told, texts, texts, st.just("a")))
def test_likeness_is_symmetric_and_bounded(one: Told, other: Told) -> None:
    found, back = alike(one, other), alike(other, one)
    assert (found is None) == (back is None)
    if found is not None and back is not None:
        assert found.score == back.score and 0 <= found.score <= 1
        assert found.same_caller == (one.caller_key == "a")
