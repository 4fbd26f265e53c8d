"""Sign-in attempts slowed down: each wrong password makes the next try from there wait longer, never for ever.

Counted per account and address, so that a stranger elsewhere cannot keep an agent out. Kept in this process:
a restart forgets it, several desks count apart; the delay grows for an attacker all the same.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

FREE_TRIES = 3
LONGEST_WAIT = 60.0
FORGET_AFTER = 900.0
MOST_KEYS = 10_000


class Throttle:
    """Tries by key. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def begin(self, account: str, address: str) -> float:
        """0 when the password may be checked now, else the seconds until it may.

        The try counts as failed until `succeeded` is called: many at once do not slip through together.
        """
        key = (account, address)
        at = self._clock()
        count, last = self._tries.get(key, (0, at))
        if at - last > FORGET_AFTER:
            count = 0
        left = _delay(count) - (at - last)
        if left > 0:
            return left
        self._tries[key] = (count + 1, at)
        self._tries.move_to_end(key)
        if len(self._tries) > MOST_KEYS:
            self._tries.popitem(last=False)
        return 0.0

    def succeeded(self, account: str, address: str) -> None:
        """The password was right: start afresh."""
        self._tries.pop((account, address), None)


def _delay(count: int) -> float:
    if count < FREE_TRIES:
        return 0.0
    return float(min(LONGEST_WAIT, 2.0 ** min(count - FREE_TRIES, 10)))
