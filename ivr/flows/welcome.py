"""A citizen's call has been answered: choose its place in the queue before it goes on to the notice.

The dialplan has already set all that a call needs; this may choose better. It has settings.call.flow_seconds; after
that, or when it fails, the dialplan goes on with what it has.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from ivr.fastagi import Session

log = structlog.get_logger(__name__)

_ANSWER_SECONDS = 1.0
"""How long a caller may be kept by our own asking before they go on without the answer."""

_MISSED_BEFORE_PRIORITY = "5"
"""Place in the queue of a caller whom we missed before: ahead of those (0) who call for the first time."""


class Callers(Protocol):
    """What the matter's side knows of a caller. `server.py` hands it in: ivr does not import routing."""

    async def was_missed(self, caller_number: str) -> bool:
        """Whether an earlier call of this number ended unanswered and nobody has called back yet."""
        ...


class Welcome:
    """The flow `welcome`."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    async def __call__(self, session: Session) -> None:
        """Set QUEUE_PRIO when we missed this caller before. Raises what `Session.execute` raises."""
        caller = session.environment.values.get("callerid", "")
        if await self._was_missed(caller):
            await session.set_variable("QUEUE_PRIO", _MISSED_BEFORE_PRIORITY)

    async def _was_missed(self, caller: str) -> bool:
        if not caller.lstrip("+").isdigit():
            return False  # withheld
        try:
            return await asyncio.wait_for(self._callers.was_missed(caller), _ANSWER_SECONDS)
        except Exception as problem:
            # Of the matter's side anything may fail; a welcome without priority is the right answer to all of it.
            log.warning("cannot tell whether the caller was missed before", problem=repr(problem))
            return False
