"""The dialplan's own note of each call, so that one which comes and goes while the bridge is dead leaves a draft.

The dialplan writes `arrived/CALL_ID = EPOCH|CALLER|CALLED` into Asterisk's database when a call arrives; the bridge
takes the note away some time after it has told of the call's end. Notes of calls that Asterisk no longer holds are
calls that ended unseen.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from ivr.ami import AmiClient, AmiError
from ivr.bridge.registry import is_call_id
from ivr.events import CallArrived, CallEnded, Event, now
from ivr.wire.ami import Message

log = structlog.get_logger(__name__)

FAMILY = "arrived"

_KEPT_SECONDS = 10.0
"""After its end is told a call's note stays so long: by then the outbox has the event in Redis or in its spool."""


class Journal:
    """The notes of one Asterisk node."""

    def __init__(self, ami: AmiClient, node: str) -> None:
        self._ami = ami
        self._node = node
        self._forgetting: set[asyncio.Task[None]] = set()

    async def notes(self) -> list[Message]:
        """All notes. To be read before the channels are: a call with a note and no channel later on has ended.

        Raises AmiError.
        """
        try:
            return await self._ami.request_list("DBGetTree", [("Family", FAMILY)])
        except AmiError as problem:
            if "not found" in str(problem).lower():
                return []
            raise

    def ended_unseen(self, notes: list[Message], live: set[str]) -> list[Event]:
        """Arrival and end of each noted call that is not in `live`; its note goes."""
        events: list[Event] = []
        for note in notes:
            call_id = note.get("Key").rpartition("/")[2]
            if call_id in live or not is_call_id(call_id):
                continue
            events += self._told_late(call_id, note)
            self.forget(call_id)
        return events

    def _told_late(self, call_id: str, note: Message) -> list[Event]:
        epoch, _, parties = note.get("Val").partition("|")
        # From the right: the called number is one of ours, the caller's may hold anything.
        caller, _, called = parties.rpartition("|")
        at = datetime.fromtimestamp(int(epoch), UTC) if epoch.isascii() and epoch.isdigit() else now()
        return [
            CallArrived(
                call_id=call_id,
                event_id=f"{call_id}:arrived",
                at=at,
                caller_number=caller,
                called_number=called,
                node=self._node,
                channel="",
                uniqueid="",
                rebuilt=True,
            ),
            CallEnded(call_id=call_id, event_id=f"{call_id}:ended", at=now(), unseen=True),
        ]

    def forget(self, call_id: str) -> None:
        """Take a call's note away, a little later."""
        task = asyncio.create_task(self._forget(call_id))
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)

    async def _forget(self, call_id: str) -> None:
        await asyncio.sleep(_KEPT_SECONDS)
        try:
            await self._ami.request("DBDel", [("Family", FAMILY), ("Key", call_id)])
        except AmiError as problem:
            # It stays, and is told again after the next login, which changes nothing.
            log.info("a call's note could not be taken away", call_id=call_id, problem=str(problem))

    async def close(self) -> None:
        """Stop forgetting; what is left is dealt with after the next login."""
        for task in self._forgetting:
            task.cancel()
        await asyncio.gather(*self._forgetting, return_exceptions=True)
