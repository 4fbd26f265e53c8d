"""Who is left out when, as a function of the lag."""

from __future__ import annotations

import pytest

from ivr.listening.overload import Level, Overload

# With 20 s of backlog: agents are left out over 5 s, new callers over 10 s; calm is 1 s and less, for 10 s.


@pytest.mark.parametrize(
    ("lag", "level"),
    [
        (0.0, Level.ALL),
        (5.0, Level.ALL),
        (5.01, Level.CALLERS),
        (10.0, Level.CALLERS),
        (10.01, Level.PRESENT_CALLERS),
        (1000.0, Level.PRESENT_CALLERS),
    ],
)
def test_the_lag_decides(lag: float, level: Level) -> None:
    assert Overload(20).update(lag, 0) is level


def test_it_does_not_go_back_while_there_is_some_lag() -> None:
    overload = Overload(20)
    overload.update(11, 0)
    for second in range(1, 100):
        assert overload.update(1.01, second) is Level.PRESENT_CALLERS


def test_it_goes_back_step_by_step_after_calm() -> None:
    overload = Overload(20)
    overload.update(11, 0)
    assert overload.update(0, 1) is Level.PRESENT_CALLERS
    assert overload.update(0, 10.9) is Level.PRESENT_CALLERS
    assert overload.update(0, 11) is Level.CALLERS
    assert overload.update(0, 20.9) is Level.CALLERS
    assert overload.update(0, 21) is Level.ALL
    assert overload.update(0, 100) is Level.ALL


def test_a_lag_in_between_begins_the_calm_anew() -> None:
    overload = Overload(20)
    overload.update(6, 0)
    overload.update(0, 1)
    assert overload.update(2, 10) is Level.CALLERS
    assert overload.update(0, 12) is Level.CALLERS
    assert overload.update(0, 21.9) is Level.CALLERS
    assert overload.update(0, 22) is Level.ALL


def test_less_lag_is_no_step_back() -> None:
    overload = Overload(20)
    overload.update(11, 0)
    assert overload.update(6, 1) is Level.PRESENT_CALLERS
