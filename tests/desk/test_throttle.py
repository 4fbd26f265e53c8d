"""Growing delays after wrong passwords, on a clock that the test moves."""

from __future__ import annotations

from desk.throttle import FORGET_AFTER, FREE_TRIES, LONGEST_WAIT, MOST_KEYS, Throttle


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_first_tries_are_free_then_the_wait_doubles_up_to_a_minute() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(FREE_TRIES):
        assert throttle.begin("8001", "10.0.0.1") == 0
    waits = []
    for _ in range(10):
        waits.append(throttle.begin("8001", "10.0.0.1"))
        clock.now += waits[-1]
        assert throttle.begin("8001", "10.0.0.1") == 0
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]


def test_tries_made_at_once_do_not_slip_through_together() -> None:
    throttle = Throttle(Clock())
    assert [throttle.begin("8001", "10.0.0.1") == 0 for _ in range(10)].count(True) == FREE_TRIES


def test_trying_while_waiting_does_not_make_it_longer() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(FREE_TRIES):
        throttle.begin("8001", "10.0.0.1")
    assert [throttle.begin("8001", "10.0.0.1") for _ in range(50)] == [1.0] * 50
    clock.now += 0.75
    assert throttle.begin("8001", "10.0.0.1") == 0.25


def test_other_accounts_and_addresses_are_not_held_up() -> None:
    throttle = Throttle(Clock())
    for _ in range(FREE_TRIES + 1):
        throttle.begin("8001", "10.0.0.1")
    assert throttle.begin("8001", "10.0.0.1") > 0
    assert throttle.begin("8001", "10.0.0.2") == 0
    assert throttle.begin("8002", "10.0.0.1") == 0


def test_success_and_time_clear_it() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(FREE_TRIES + 1):
        throttle.begin("8001", "10.0.0.1")
    throttle.succeeded("8001", "10.0.0.1")
    assert throttle.begin("8001", "10.0.0.1") == 0
    for _ in range(FREE_TRIES):
        throttle.begin("8001", "10.0.0.1")
    clock.now += FORGET_AFTER + 1
    assert [throttle.begin("8001", "10.0.0.1") for _ in range(FREE_TRIES)] == [0] * FREE_TRIES


def test_made_up_names_do_not_fill_the_memory() -> None:
    throttle = Throttle(Clock())
    for number in range(MOST_KEYS + 500):
        throttle.begin(f"name-{number}", "10.0.0.1")
    assert len(throttle._tries) == MOST_KEYS
