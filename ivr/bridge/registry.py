"""The calls that one Asterisk node holds now, as seen in its AMI events.

Knows no sockets: AMI messages in, published events out (returned as lists), so that every order of messages can
be tested. A call's legs are the caller's channel and at most one agent's channel. Its states, in order:

    arrived -> waiting -> ringing -> talking -> (agent left) -> ended

Asterisk says which call a channel belongs to: CALL_ID is set in the dialplan's first line, inherited by the
agent's channel, and sent with every event (manager.conf, channelvars). CALLED is set on the caller's only.
A call that is linked with emergency lines has a `Linkage` besides; caller and agent are the same legs in it.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from ivr.bridge import linkage_notes
from ivr.bridge.linkage import Linkage
from ivr.bridge.linkage_notes import Note
from ivr.events import (
    AgentAnswered,
    AgentLeft,
    AgentRinging,
    CallArrived,
    CallEnded,
    CallQueued,
    EndedBy,
    Event,
    LineAttempt,
    NodeInventory,
    OfferDeclined,
    Speaker,
    now,
)
from ivr.wire.ami import Message

log = structlog.get_logger(__name__)


_ENDED_KEPT = 200
"""Calls that are remembered after their end, for what is told of them late: some seconds' worth at any load."""


@dataclass(slots=True)
class Leg:
    """One channel of a call."""

    channel: str
    uniqueid: str
    speaker: Speaker
    agent: str = ""


@dataclass(slots=True)
class LiveCall:
    """A call in progress."""

    call_id: str
    caller: Leg
    arrived_at: datetime
    queued: int = 0
    queued_at: datetime | None = None
    queue: str = ""
    caller_number: str = ""
    agent: Leg | None = None
    ended_by: EndedBy = "caller"
    """Who ends it, as far as is known: the caller, unless an agent hung up first."""
    linkage: Linkage | None = None
    noted: set[str] = field(default_factory=set)
    """Keys of the linkage's notes that have been told."""
    offered: dict[str, float] = field(default_factory=dict)
    """Lines that were offered to the waiting caller, and when (monotonic seconds)."""
    muted: bool = False
    """Whether the caller was muted in the conference."""
    language: str = ""
    """Of the caller's channel (`zh`, `en`), when the call came and each time it was queued."""

    def legs(self) -> list[Leg]:
        """Caller's leg first."""
        return [self.caller, *([self.agent] if self.agent else [])]


class Registry:
    """Follows the calls of one node. Each method returns the events that are to be published, in order."""

    def __init__(self, node: str, agents: Iterable[str]) -> None:
        self._node = node
        self._agents = frozenset(agents)
        self.calls: dict[str, LiveCall] = {}
        self._ended: deque[LiveCall] = deque(maxlen=_ENDED_KEPT)

    def leg_of(self, uniqueid: str) -> tuple[LiveCall, Leg] | None:
        """The call and leg of a channel's uniqueid, None when it is none of ours."""
        for call in self.calls.values():
            for leg in call.legs():
                if leg.uniqueid == uniqueid:
                    return call, leg
        return None

    def handle(self, message: Message) -> list[Event]:
        """What an AMI event means; [] for those that mean nothing here."""
        match message.event:
            case "UserEvent" if message.get("UserEvent") == "CallArrived":
                return self._arrived(message)
            case "UserEvent" if message.get("UserEvent") == "Linkage":
                made = linkage_notes.note(message.get("CallId"), message.get("Key"), message.get("Note"))
                return self._noted(made, rebuilt=False) if made else []
            case "UserEvent" if message.get("UserEvent") == "OfferDeclined":
                return self._declined(message)
            case "DialState":
                return self._line_rings(message)
            case "QueueCallerJoin":
                return self._queued(message)
            case "AgentCalled":
                return self._ringing(message)
            case "AgentConnect":
                return self._answered(message)
            case "AgentComplete":
                # Both legs' Hangup events follow in either order; only this one says who hung up.
                # In a linkage the caller stays when the agent goes.
                call = self._call(message)
                if call and message.get("Reason") == "agent" and not (call.linkage and call.linkage.open):
                    call.ended_by = "agent"
            case "Hangup":
                return self._hangup(message)
        return []

    def _arrived(self, message: Message) -> list[Event]:
        call_id = message.get("CallId") or message.variables.get("CALL_ID", "")
        if not is_call_id(call_id):
            log.warning("a call without a call id", channel=message.get("Channel"))
            return []
        if call_id in self.calls:
            return []
        return self._begin(message, call_id, message.get("Called"), now(), rebuilt=False)

    def _begin(self, message: Message, call_id: str, called: str, at: datetime, *, rebuilt: bool) -> list[Event]:
        channel, uniqueid = message.get("Channel"), message.get("Uniqueid")
        caller_number = _known(message.get("CallerIDNum"))
        call = LiveCall(call_id, Leg(channel, uniqueid, "caller"), at, caller_number=caller_number)
        call.language = message.get("Language")
        self.calls[call_id] = call
        return [
            CallArrived(
                call_id=call_id,
                event_id=f"{call_id}:arrived",
                at=at,
                caller_number=caller_number,
                caller_name=_known(message.get("CallerIDName")),
                called_number=called,
                trunk=endpoint_of(channel),
                node=self._node,
                channel=channel,
                uniqueid=uniqueid,
                source=message.variables.get("SOURCE", ""),
                rebuilt=rebuilt,
            )
        ]

    def replay(self, notes: Iterable[Note]) -> list[Event]:
        """Notes out of Asterisk's database, oldest first: tells what they mean where it has not been told yet."""
        return [event for made in notes for event in self._noted(made, rebuilt=True)]

    def _noted(self, made: Note, *, rebuilt: bool) -> list[Event]:
        # Lines and agents leave a linkage after the caller; what is noted of it then belongs to it.
        ended = (call for call in self._ended if call.call_id == made.call_id)
        call = self.calls.get(made.call_id) or next(ended, None)
        if call is None or made.key in call.noted:
            return []
        call.noted.add(made.key)
        if made.kind == "pressed":
            return linkage_notes.events(made, rebuilt=rebuilt)
        call.linkage = call.linkage or Linkage()
        if made.kind == "closing":
            call.ended_by = "agent"
        events = linkage_notes.events(made, rebuilt=rebuilt)
        for event in events:
            call.linkage.apply(event)
        return events

    def _declined(self, message: Message) -> list[Event]:
        call = self._call(message)
        if call is None:
            return []
        lines = tuple(line for line in message.get("Lines").split("-") if line)
        event_id = f"{call.call_id}:declined:{'-'.join(lines)}"
        return [OfferDeclined(call_id=call.call_id, event_id=event_id, at=now(), lines=lines)]

    def _line_rings(self, message: Message) -> list[Event]:
        call = self._call(message)
        attempt = message.variables.get("LINE_ATTEMPT", "").split("|")
        if call is None or len(attempt) != 5 or message.get("DialStatus") != "RINGING":
            return []
        line, dialling, number_of, number, trunk = attempt
        return [
            LineAttempt(
                call_id=call.call_id,
                event_id=f"{call.call_id}:{dialling}:{number_of}:ringing",
                at=now(),
                line=line,
                dialling=dialling,
                attempt=_integer(number_of),
                number=number,
                trunk=trunk,
                outcome="ringing",
            )
        ]

    def _call(self, message: Message) -> LiveCall | None:
        return self.calls.get(message.variables.get("CALL_ID", ""))

    def _queued(self, message: Message) -> list[Event]:
        call = self._call(message)
        if call is None:
            return []
        call.language = message.get("Language") or call.language
        return [self._join(call, message.get("Queue").removeprefix("q-"), _integer(message.get("Position")), now())]

    def _join(self, call: LiveCall, queue: str, position: int, at: datetime) -> CallQueued:
        call.queued += 1
        call.queued_at = at
        call.queue = queue
        event_id = f"{call.call_id}:queued:{call.queued}"
        return CallQueued(call_id=call.call_id, event_id=event_id, at=at, queue=queue, position=position)

    def _ringing(self, message: Message) -> list[Event]:
        call = self._call(message)
        if call is None:
            return []
        agent = endpoint_of(message.get("DestChannel"))
        uniqueid = message.get("DestUniqueid")
        event_id = f"{call.call_id}:ringing:{uniqueid}"
        return [AgentRinging(call_id=call.call_id, event_id=event_id, at=now(), agent=agent)]

    def _answered(self, message: Message) -> list[Event]:
        call = self._call(message)
        if call is None:
            return []
        return [self._talk(call, message.get("DestChannel"), message.get("DestUniqueid"), now())]

    def _talk(self, call: LiveCall, channel: str, uniqueid: str, at: datetime) -> AgentAnswered:
        call.agent = Leg(channel, uniqueid, "agent", endpoint_of(channel))
        waited = (at - (call.queued_at or call.arrived_at)).total_seconds()
        return AgentAnswered(
            call_id=call.call_id,
            event_id=f"{call.call_id}:answered:{uniqueid}",
            at=at,
            agent=call.agent.agent,
            channel=channel,
            waited_seconds=max(0.0, round(waited, 3)),
        )

    def _hangup(self, message: Message) -> list[Event]:
        found = self.leg_of(message.get("Uniqueid"))
        if found is None:
            return []
        call, leg = found
        if leg is call.caller:
            del self.calls[call.call_id]
            self._ended.append(call)
            return [
                CallEnded(
                    call_id=call.call_id,
                    event_id=f"{call.call_id}:ended",
                    at=now(),
                    by=call.ended_by,
                    cause=_integer(message.get("Cause")),
                )
            ]
        call.agent = None
        return [_left(call, leg, now())]

    def rebuild(self, channels: Sequence[Message], at: datetime | None = None) -> list[Event]:
        """Replace what is known by what Asterisk lists (CoreShowChannel events), after a time without events.

        Tells again what may have been missed; the ids are those of the first telling, so nothing counts twice.
        """
        at = at or now()
        events: list[Event] = []
        ours = [m for m in channels if is_call_id(m.variables.get("CALL_ID", ""))]
        callers = [m for m in ours if m.variables.get("CALLED")]
        previous, self.calls = self.calls, {}
        for message in callers:
            call_id = message.variables["CALL_ID"]
            arrived = at - timedelta(seconds=_duration(message.get("Duration")))
            known = previous.get(call_id)
            if known and known.caller.uniqueid == message.get("Uniqueid"):
                self.calls[call_id] = known
            else:
                events += self._begin(message, call_id, message.variables["CALLED"], arrived, rebuilt=True)
            call = self.calls[call_id]
            agent = self._agent_of(message, ours)
            if call.agent and (agent is None or agent.get("Uniqueid") != call.agent.uniqueid):
                events.append(_left(call, call.agent, at))
                call.agent = None
            if agent is None and message.get("Application") == "Queue" and not call.queued:
                events.append(self._join(call, message.variables.get("QUEUE", ""), 0, at))
            if agent is not None and call.agent is None:
                events.append(self._talk(call, agent.get("Channel"), agent.get("Uniqueid"), at))
        events.append(
            NodeInventory(event_id=str(uuid.uuid4()), at=at, node=self._node, live_call_ids=tuple(sorted(self.calls)))
        )
        return events

    def _agent_of(self, caller: Message, channels: Sequence[Message]) -> Message | None:
        bridge = caller.get("BridgeId")
        if not bridge:
            return None
        for message in channels:
            with_caller = message is not caller and message.get("BridgeId") == bridge
            if with_caller and endpoint_of(message.get("Channel")) in self._agents:
                return message
        return None


def _left(call: LiveCall, leg: Leg, at: datetime) -> AgentLeft:
    event_id = f"{call.call_id}:left:{leg.uniqueid}"
    return AgentLeft(call_id=call.call_id, event_id=event_id, at=at, agent=leg.agent, channel=leg.channel)


def endpoint_of(channel: str) -> str:
    """The endpoint in a channel's name: 8001 of PJSIP/8001-0000002a."""
    return channel.partition("/")[2].rpartition("-")[0]


def is_call_id(text: str) -> bool:
    """Whether this is a CALL_ID of the dialplan's making (`UUID()`)."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _known(text: str) -> str:
    # Asterisk writes this where a number or name is not there (main/manager_channels.c).
    return "" if text == "<unknown>" else text


def _integer(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _duration(text: str) -> float:
    """Seconds of HH:MM:SS, 0 when it is not that."""
    parts = text.split(":")
    if len(parts) != 3 or not all(p.isascii() and p.isdigit() for p in parts):
        return 0.0
    hours, minutes, seconds = map(int, parts)
    return hours * 3600.0 + minutes * 60 + seconds
