"""The dialplan's own note of each call, so that one which comes and goes while the bridge is dead leaves a draft.

The dialplan writes `arrived/CALL_ID = EPOCH|CALLER|CALLED|SOURCE` into Asterisk's database when a call arrives, and a
note of each step of a linkage below `linked/CALL_ID` (ivr/bridge/linkage_notes.py); the bridge takes them away some
time after it has told of the call's end. Notes of calls that Asterisk no longer holds are calls that ended unseen.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from ivr.ami import AmiClient, AmiError
from ivr.bridge import linkage_notes
from ivr.bridge.linkage_notes import Note
from ivr.bridge.registry import is_call_id
from ivr.events import CallArrived, CallEnded, Event, LinkageEnded, LinkageEvent, now
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
        return await self._tree(FAMILY)

    async def linkages(self) -> dict[str, list[Note]]:
        """The notes of linkages by call, oldest first. Raises AmiError."""
        found: dict[str, list[Note]] = {}
        for row in await self._tree(linkage_notes.FAMILY):
            call_id, _, key = row.get("Key").removeprefix(f"/{linkage_notes.FAMILY}/").partition("/")
            if is_call_id(call_id) and (made := linkage_notes.note(call_id, key, row.get("Val"))):
                found.setdefault(call_id, []).append(made)
        return {call_id: sorted(notes, key=lambda made: made.key) for call_id, notes in found.items()}

    async def _tree(self, family: str) -> list[Message]:
        try:
            return await self._ami.request_list("DBGetTree", [("Family", family)])
        except AmiError as problem:
            if "not found" in str(problem).lower():
                return []
            raise

    def ended_unseen(self, notes: list[Message], linkages: dict[str, list[Note]], live: set[str]) -> list[Event]:
        """Arrival, linkage and end of each noted call that is not in `live`; its notes go."""
        events: list[Event] = []
        for note in notes:
            call_id = note.get("Key").rpartition("/")[2]
            if call_id in live or not is_call_id(call_id):
                continue
            arrived, ended = self._told_late(call_id, note)
            events += [arrived, *_linkage_told_late(linkages.get(call_id, [])), ended]
            self.forget(call_id)
        return events

    def _told_late(self, call_id: str, note: Message) -> tuple[Event, Event]:
        epoch, _, parties = note.get("Val").partition("|")
        # From the right: what is called, and who hands over, is ours; the caller's number may hold anything.
        caller, called, source = [*parties.rsplit("|", 2), "", ""][:3]
        at = datetime.fromtimestamp(int(epoch), UTC) if epoch.isascii() and epoch.isdigit() else now()
        return (
            CallArrived(
                call_id=call_id,
                event_id=f"{call_id}:arrived",
                at=at,
                caller_number=caller,
                called_number=called,
                source=source,
                node=self._node,
                channel="",
                uniqueid="",
                rebuilt=True,
            ),
            CallEnded(call_id=call_id, event_id=f"{call_id}:ended", at=now(), unseen=True),
        )

    def forget(self, call_id: str) -> None:
        """Take a call's note away, a little later."""
        task = asyncio.create_task(self._forget(call_id))
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)

    async def _forget(self, call_id: str) -> None:
        await asyncio.sleep(_KEPT_SECONDS)
        try:
            # Its arrival last: what is left of a call must still be found by it.
            if await self._tree(f"{linkage_notes.FAMILY}/{call_id}"):
                await self._ami.request("DBDelTree", [("Family", f"{linkage_notes.FAMILY}/{call_id}")])
            await self._ami.request("DBDel", [("Family", FAMILY), ("Key", call_id)])
        except AmiError as problem:
            # It stays, and is told again after the next login, which changes nothing.
            log.info("a call's note could not be taken away", call_id=call_id, problem=str(problem))

    async def close(self) -> None:
        """Stop forgetting; what is left is dealt with after the next login."""
        for task in self._forgetting:
            task.cancel()
        await asyncio.gather(*self._forgetting, return_exceptions=True)


def _linkage_told_late(notes: list[Note]) -> list[Event]:
    events = [event for made in notes for event in linkage_notes.events(made, rebuilt=True)]
    linked = any(isinstance(event, LinkageEvent) for event in events)
    if linked and not any(isinstance(event, LinkageEnded) for event in events):
        # Asterisk itself died: nobody noted the end.
        call_id = notes[0].call_id
        event_id = linkage_notes.ended_id(call_id)
        events.append(LinkageEnded(call_id=call_id, event_id=event_id, at=now(), rebuilt=True))
    return events
