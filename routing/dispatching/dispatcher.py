"""The direct-dispatch list at work: what is accepted and stands in it goes to its unit within seconds (QH-4b).

Any number of processes may run it at once: of two that take the same ticket one is told that it has changed.
"""

from __future__ import annotations

import asyncio

import asyncpg
import structlog
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from routing.centre import Centre
from routing.dispatching.direct import dispatch_waiting
from routing.dispatching.direct_list import DirectDispatch
from routing.law.calendar import BeyondCalendar

log = structlog.get_logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_STOP_SECONDS = 10.0
"""How long a stop waits for the transaction under way."""

_dispatched = Counter("hotline_direct_dispatched_total", "Tickets that the direct-dispatch list sent to their unit")


class DirectDispatcher:
    """Dispatches until cancelled. A list that is only inferred is never carried out by itself."""

    def __init__(self, centre: Centre, found: DirectDispatch | None, *, every_seconds: float) -> None:
        self._centre = centre
        self._found = found
        self._every = every_seconds
        self._trouble = ""

    @property
    def trouble(self) -> str:
        """What is wrong now, for people to read; empty when all is well."""
        return self._trouble

    async def run(self) -> None:
        """Dispatch until cancelled; outlives any absence of the database. Ends at once without an issued list."""
        if self._found is None or self._found.inferred:
            log.info("no direct dispatch", why="no list" if self._found is None else "the list is only inferred")
            return
        pause = _FIRST_PAUSE
        while True:
            try:
                _dispatched.inc(await self._round())
            except (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, BeyondCalendar) as problem:
                self._trouble = f"直派暂停，请人工派单：{type(problem).__name__}"
                log.warning("direct dispatch waits", problem=str(problem)[:200], pause=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            self._trouble, pause = "", _FIRST_PAUSE
            await asyncio.sleep(self._every)

    async def _round(self) -> int:
        """One round to its end, also when it is cancelled in the middle: a transaction is not torn."""
        work = asyncio.ensure_future(dispatch_waiting(self._centre, self._found))
        try:
            return len(await asyncio.shield(work))
        except asyncio.CancelledError:
            await asyncio.wait([work], timeout=_STOP_SECONDS)
            raise
