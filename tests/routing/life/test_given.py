"""What people give is checked before anything is changed, whoever built it."""

from __future__ import annotations

import pytest

from routing.law.provisions import Amount
from routing.life import given
from routing.life.errors import BadValue


@pytest.mark.parametrize("value", [-5, 0, 366 * 24 + 1])
def test_no_length_of_time_is_none_or_less_or_longer_than_a_year(value: int) -> None:
    amount = Amount.model_construct(value=value, unit="hour")
    with pytest.raises(BadValue, match=r"至少|最长"):
        given.amount("amount", amount, rule="YZ-19", what="延期")
