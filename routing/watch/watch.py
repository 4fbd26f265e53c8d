"""The watch at work: round after round until it is stopped (`server.py run --role clocks`).

Any number of processes may watch at once; each round takes what no other holds (routing.watch.rounds).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.exc import DBAPIError

from routing.centre import Centre
from routing.life.recalculation import recalculate
from routing.storage import DATABASE_AWAY
from routing.watch.alerts import look_around
from routing.watch.findings import look_at_events
from routing.watch.rounds import Round, look_at_clocks

log = structlog.get_logger(__name__)

_AROUND_SECONDS = 3600.0
_Seen = TypeVar("_Seen")

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_STOP_SECONDS = 10.0
"""How long a stop waits for the transaction under way; one takes milliseconds."""

_warned = Counter("hotline_clocks_warned_total", "Limits that were warned of")
_overdue = Counter("hotline_clocks_overdue_total", "Limits that were found to be over")
_proposed = Counter("hotline_proposals_total", "Proposals of supervision, submission or violations")
_seconds = Gauge("hotline_watch_round_seconds", "How long the last round took", multiprocess_mode="livemax")
_at = Gauge("hotline_watch_round_at", "When the last round ended (Unix time)", multiprocess_mode="livemax")


class Watch:
    """Goes its rounds until cancelled. `every_seconds`: from the end of one to the beginning of the next."""

    def __init__(self, centre: Centre, *, every_seconds: float) -> None:
        self._centre = centre
        self._every = every_seconds
        self._trouble = ""
        self._failed: dict[str, str] = {}
        self._around = float("-inf")

    @property
    def trouble(self) -> str:
        """What is wrong now, for people to read; empty when all is well."""
        return self._trouble or "；".join(f"{name}没有看完：{problem}" for name, problem in self._failed.items())

    async def run(self) -> None:
        """Watch until cancelled; outlives any absence of the database, and catches up afterwards. A look that fails for
        another reason is told (`trouble`) and tried again in its turn; the other looks go on."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await _to_its_end(self.go_round())
            except DATABASE_AWAY as problem:
                self._trouble = f"数据库不可用，期限暂时无人查看：{_in_short(problem)}"
                log.warning("the watch waits: the database is away", problem=_in_short(problem), pause=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            if self._trouble:
                log.info("the watch goes round again", trouble=self._trouble)
            self._trouble, pause = "", _FIRST_PAUSE
            await asyncio.sleep(self._every)

    async def go_round(self) -> Round:
        """One round: the clocks, what happened since the last one, and once an hour what the day brings.

        Raises what the database raises; any other error of a look is kept in `trouble`.
        """
        begun = time.monotonic()
        seen = await self._look("期限", look_at_clocks(self._centre), Round())
        proposed = await self._look("督办和违规情形", look_at_events(self._centre), 0)
        if begun - self._around > _AROUND_SECONDS:
            await self._look("当日事项", look_around(self._centre), 0)
            self._around = begun
        _warned.inc(seen.warned)
        _overdue.inc(seen.overdue)
        _proposed.inc(proposed)
        _seconds.set(time.monotonic() - begun)
        _at.set_to_current_time()
        if seen.looked or proposed:
            log.info("round", looked=seen.looked, warned=seen.warned, overdue=seen.overdue, proposed=proposed)
        return seen

    async def _look(self, name: str, look: Coroutine[Any, Any, _Seen], otherwise: _Seen) -> _Seen:
        try:
            seen = await look
        except DATABASE_AWAY:
            raise
        except Exception as problem:  # one ticket or one day that nobody foresaw must not stop the watch over all
            self._failed[name] = _in_short(problem)
            log.exception("a look failed; the others go on", look=name)
            return otherwise
        self._failed.pop(name, None)
        return seen


async def heed_calendar(centre: Centre) -> None:
    """Bring open limits to the calendar that the centre has now, which may be newer than theirs; then return.

    Beside the rounds, not before them: after a change of the calendar every open ticket is gone through. Outlives any
    absence of the database.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            done = await recalculate(centre)
        except DATABASE_AWAY as problem:
            log.warning("the calendar waits: the database is away", problem=_in_short(problem), pause=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        else:
            break
    if done.moved:
        log.info("limits were brought to the calendar", tickets=done.tickets, moved=done.moved)
    if done.beyond:
        log.error("limits lie beyond the calendar; enter the year in config/calendars/", tickets=len(done.beyond))
    for ticket_id, reason in done.failed.items():
        log.error(
            "limits could not be brought to the calendar; the next start tries again", ticket=ticket_id, problem=reason
        )


async def _to_its_end(round_: Coroutine[Any, Any, Round]) -> None:
    """Finish what has begun before a cancellation is heeded: an abandoned statement can keep SQLite's write lock."""
    task = asyncio.ensure_future(round_)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_STOP_SECONDS)
        if not task.cancel() and not task.cancelled() and (problem := task.exception()):
            log.info("stopped in the middle of trouble; the next start goes on from there", problem=repr(problem)[:300])
        raise


def _in_short(problem: BaseException) -> str:
    """The driver's own words, without the statement and its parameters."""
    cause = problem.orig if isinstance(problem, DBAPIError) and problem.orig is not None else problem
    return f"{type(cause).__name__}: {cause}"[:300]
