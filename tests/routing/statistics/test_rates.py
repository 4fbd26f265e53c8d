"""Rates; Qionghai's published figures reproduce (QH-4a, invariant 14)."""

from __future__ import annotations

import pytest

from routing.statistics.rates import NOTHING, Rate


def test_qionghai_completed_in_time() -> None:
    assert Rate(115647, 116064).percent() == "99.64%"


def test_qionghai_satisfied_at_callback() -> None:
    satisfied, dissatisfied = 65267, 1886
    rate = Rate(satisfied, satisfied + dissatisfied)
    assert (rate.percent(), rate.percent(1)) == ("97.19%", "97.2%")


def test_nothing_of_nothing_is_no_rate_but_can_be_added() -> None:
    assert NOTHING.value is None
    assert NOTHING.percent() == "—"
    assert NOTHING + Rate(1, 2) == Rate(1, 2)


def test_rates_add_by_their_parts() -> None:
    assert Rate(1, 1) + Rate(0, 3) == Rate(1, 4)


@pytest.mark.parametrize(("part", "whole"), [(2, 1), (-1, 5), (0, -1)])
def test_more_than_the_whole_is_refused(part: int, whole: int) -> None:
    with pytest.raises(ValueError, match="no rate"):
        Rate(part, whole)


def test_half_a_digit_is_rounded_up() -> None:
    assert Rate(1, 800).percent() == "0.13%"
