"""Events as the bridge and the recogniser tell them, and what is in the database afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import select

from ivr.events import (
    STREAM,
    AgentAnswered,
    AgentLeft,
    AgentRinging,
    CallArrived,
    CallEnded,
    CallQueued,
    Event,
    ListeningStarted,
    ListeningUnavailable,
    NodeInventory,
    Utterance,
    dump,
)
from routing.storage import Call, Database, Ticket, TicketChange
from routing.storage import Utterance as StoredUtterance

CALLED_AT = datetime(2026, 11, 21, 6, 5, tzinfo=UTC)
SENTENCES = (
    "你好 我 想 反映 一下",
    "保港 的 路灯 坏了 两天 了",
    "我 姓 符",
    "电话 一 三 八 七 六 五 零 九 二 一 四",
    "谢谢",
)


def at(seconds: float) -> datetime:
    """So many seconds after the call arrived."""
    return CALLED_AT + timedelta(seconds=seconds)


class Told:
    """Makes the events of one call; ids are derived from what happened, as the bridge's are."""

    def __init__(self, call_id: str = "c1", node: str = "node-a") -> None:
        self.call_id = call_id
        self.node = node

    def _common(self, what: str, seconds: float) -> dict[str, Any]:
        return {"call_id": self.call_id, "event_id": f"{self.call_id}:{what}", "at": at(seconds)}

    def arrived(self, seconds: float = 0, *, rebuilt: bool = False) -> CallArrived:
        return CallArrived(
            **self._common("arrived", seconds),
            caller_number="13800000001",
            called_number="12345",
            trunk="loopback",
            node=self.node,
            channel="PJSIP/loopback-1",
            uniqueid="1.1",
            rebuilt=rebuilt,
        )

    def queued(self, seconds: float = 1) -> CallQueued:
        return CallQueued(**self._common(f"queued:{seconds}", seconds), queue="general", position=2)

    def ringing(self, agent: str = "8001", seconds: float = 2) -> AgentRinging:
        return AgentRinging(**self._common(f"ringing:{agent}:{seconds}", seconds), agent=agent)

    def answered(self, agent: str = "8001", seconds: float = 5) -> AgentAnswered:
        return AgentAnswered(
            **self._common(f"answered:{agent}:{seconds}", seconds), agent=agent, channel=f"PJSIP/{agent}-1"
        )

    def left(self, agent: str = "8001", seconds: float = 50) -> AgentLeft:
        return AgentLeft(**self._common(f"left:{agent}:{seconds}", seconds), agent=agent, channel=f"PJSIP/{agent}-1")

    def listening(self, speaker: str = "caller", seconds: float = 3) -> ListeningStarted:
        common = self._common(f"listening:{speaker}", seconds)
        return ListeningStarted.model_validate(common | {"speaker": speaker, "tap_id": "t1", "model": "demo"})

    def deaf(self, speaker: str = "caller", reason: str = "overloaded", seconds: float = 4) -> ListeningUnavailable:
        common = self._common(f"deaf:{speaker}:{reason}", seconds)
        return ListeningUnavailable.model_validate(common | {"speaker": speaker, "reason": reason, "detail": "why"})

    def said(self, number: int, text: str, *, speaker: str = "caller", seconds: float | None = None) -> Utterance:
        common = self._common(f"said:{speaker}:{number}", 10 + number if seconds is None else seconds)
        words = [{"text": word, "start": 0.5, "end": 0.9, "confidence": 0.8} for word in text.split()]
        more = {"speaker": speaker, "tap_id": f"{self.call_id}-{speaker}", "number": number, "text": text}
        return Utterance.model_validate(common | more | {"start": 0.5, "end": 2.5, "confidence": 0.8, "words": words})

    def ended(self, seconds: float = 60, *, unseen: bool = False) -> CallEnded:
        return CallEnded(**self._common(f"ended:{unseen}", seconds), by="caller", cause=16, unseen=unseen)

    def whole_call(self) -> list[Event]:
        """From the arrival to the end, with an agent and five sentences."""
        said = [self.said(number, text) for number, text in enumerate(SENTENCES, start=1)]
        return [
            self.arrived(),
            self.queued(),
            self.listening(),
            self.ringing(),
            self.answered(),
            *said,
            self.said(1, "您好", speaker="agent", seconds=9),
            self.left(),
            self.ended(),
        ]


def inventory(*live: str, node: str = "node-a", seconds: float = 100) -> NodeInventory:
    return NodeInventory(event_id=f"{node}:inventory:{seconds}", at=at(seconds), node=node, live_call_ids=live)


async def publish(redis: Redis, *told: Event) -> None:
    for event in told:
        await redis.xadd(STREAM, {"event": dump(event)})


async def until(condition: Callable[[], Coroutine[Any, Any, bool]], seconds: float = 20) -> None:
    """Wait until a condition holds. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not happen")
        await asyncio.sleep(0.02)


async def contents(database: Database) -> dict[str, Any]:
    """All that events have brought about, without what is drawn (ids)."""
    async with database.session() as session:
        calls = (await session.scalars(select(Call).order_by(Call.call_id))).all()
        said = (await session.scalars(select(StoredUtterance).order_by(StoredUtterance.id))).all()
        tickets = (await session.scalars(select(Ticket).order_by(Ticket.call_id))).all()
        changes = (await session.scalars(select(TicketChange).order_by(TicketChange.id))).all()
    call_of = {ticket.id: ticket.call_id for ticket in tickets}
    fields = ("state", "queue", "position", "agent", "answered_at", "ended_at", "ended_by", "unseen", "listening")
    return {
        "calls": {call.call_id: {name: getattr(call, name) for name in fields} for call in calls},
        "said": [(one.call_id, one.speaker, one.number, one.text) for one in said],
        "tickets": {
            ticket.call_id: {name: field["value"] for name, field in ticket.fields.items()}
            | {"state": ticket.state, "attention": ticket.attention, "version": ticket.version}
            for ticket in tickets
        },
        "history": [(call_of[one.ticket_id], one.action, one.field, one.after) for one in changes],
    }
