"""The threads that decode: legs take turns, each with one piece at a time, so none waits for another's long speech.

Vosk releases the GIL, so the threads are as many as the cores. A thread whose work does not come back cannot be
stopped; it is written off and another takes its place, up to as many as there were at first.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

import structlog

from asr_models.recogniser import Final, Interim
from ivr.listening.leg import Leg, Piece

log = structlog.get_logger(__name__)

_Work = tuple[Leg, Piece] | None

_AHEAD = 4
"""Pieces that lie ready for each thread, so that it need not wait for the event loop between two of them."""


class Pool:
    """Use it from one event loop; `after(leg)` is called there whenever a thread is done with a piece of a leg."""

    def __init__(self, threads: int, stalled_seconds: float, after: Callable[[Leg], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stalled_seconds = stalled_seconds
        self._after = after
        self._ready: deque[Leg] = deque()
        self._queued: set[Leg] = set()
        self._handed: dict[Leg, float] = {}
        """Legs of which a piece lies ready for a thread or is being worked on, and when that piece arrived."""
        self._running: dict[Leg, float] = {}
        """Legs for which a thread works, and since when. Threads write their own entry, one assignment each."""
        self._stalled: set[Leg] = set()
        self._work: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self.threads = threads
        self._places = 0
        for _ in range(threads):
            self._hire()

    def close(self) -> None:
        """Let the threads go; what they still work on is not waited for."""
        for _ in range(self._places):
            self._work.put(None)

    def ready(self, leg: Leg) -> None:
        """The leg has something to do: it gets its turn behind those that were ready before."""
        if leg.busy or leg in self._queued:
            return
        self._queued.add(leg)
        self._ready.append(leg)
        self._hand_out()

    def lag(self, now: float) -> float:
        """Age in seconds of the oldest piece that waits for a thread, at the monotonic time `now`."""
        waiting = [leg.waits_since for leg in self._ready]
        waiting += [arrived for leg, arrived in self._handed.items() if leg not in self._running]
        return max((now - since for since in waiting if since is not None), default=0.0)

    def newly_stalled(self, now: float) -> list[Leg]:
        """Legs whose piece has been worked on for longer than is reasonable, each once."""
        late = [
            leg
            for leg, since in list(self._running.items())
            if now - since > self._stalled_seconds and leg not in self._stalled
        ]
        for leg in late:
            self._stalled.add(leg)
            if self._places < 2 * self.threads:
                self._hire()
        self._hand_out()
        return late

    def _hire(self) -> None:
        self._places += 1
        # Daemons: one that never comes back must not keep the process from ending.
        threading.Thread(target=self._thread, name=f"decode-{self._places}", daemon=True).start()

    def _hand_out(self) -> None:
        while self._ready and len(self._handed) < self._places * _AHEAD:
            leg = self._ready.popleft()
            self._queued.remove(leg)
            if leg.waits_since is None:
                continue  # what it had was dropped meanwhile
            leg.busy = True
            piece = leg.take()
            self._handed[leg] = piece.arrived
            self._work.put((leg, piece))

    def _thread(self) -> None:
        while (work := self._work.get()) is not None:
            leg, piece = work
            self._running[leg] = time.monotonic()
            outcome: list[Interim | Final] | Exception
            try:
                outcome = leg.work(piece)
            except Exception as problem:  # whatever it is belongs to this leg, and is told of it
                outcome = problem
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
                self._loop.call_soon_threadsafe(self._done, leg, piece, outcome)

    def _done(self, leg: Leg, piece: Piece, outcome: list[Interim | Final] | Exception) -> None:
        del self._running[leg]
        del self._handed[leg]
        leg.busy = False
        if leg in self._stalled:
            self._stalled.remove(leg)
            if self._places > self.threads:
                self._places -= 1
                self._work.put(None)
        try:
            leg.worked(piece, outcome)
            self._after(leg)
        except Exception:
            log.exception("telling what was heard failed", call_id=leg.tap.call_id)
        if leg.waits_since is not None:
            self.ready(leg)
        self._hand_out()
