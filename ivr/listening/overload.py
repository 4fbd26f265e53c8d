"""What is left out when there is more speech than the machine can decode: agents first, then new callers.

    ALL -- lag over 1/4 of the backlog --> CALLERS -- lag over 1/2 --> PRESENT_CALLERS
    and one step back after a time of calm.

The lag is the age of the oldest audio that waits for a thread. A leg whose own decoding hangs does not wait for a
thread, so it does not count: one leg's trouble is not the others'.
"""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """Who is listened to; the higher, the fewer."""

    ALL = 0
    CALLERS = 1
    PRESENT_CALLERS = 2


class Overload:
    """Follows the lag and says who is listened to. `backlog_seconds`: how much audio is held for one leg at most."""

    def __init__(self, backlog_seconds: float) -> None:
        self._marks = ((backlog_seconds / 2, Level.PRESENT_CALLERS), (backlog_seconds / 4, Level.CALLERS))
        self._calm_below = backlog_seconds / 20
        self._calm_for = backlog_seconds / 2
        self._calm_since: float | None = None
        self.level = Level.ALL

    def update(self, lag: float, now: float) -> Level:
        """The level, given the present lag and a monotonic time, both in seconds."""
        for mark, level in self._marks:
            if lag > mark:
                self.level = max(self.level, level)
                break
        if lag > self._calm_below or self.level is Level.ALL:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        elif now - self._calm_since >= self._calm_for:
            self.level = Level(self.level - 1)
            self._calm_since = now
        return self.level
