"""Leaders answer calls themselves (领导接听电话活动, TP-11): what they take goes to the leader's unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from routing.centre import Centre
from routing.dispatching.tables import LeaderCall, LeaderSession
from routing.law.provisions import LeaderSessions
from routing.life import given
from routing.life.changing import changing, check_actor
from routing.life.errors import BadTime, BadValue, IllegalTransition, NotAllowed, Silent
from routing.life.states import DECIDES, role_of
from routing.storage import Ticket
from routing.tickets import Actor


@dataclass(frozen=True)
class Taken:
    """A ticket of a session."""

    ticket_id: str
    serial: str
    unit: str
    leader: str
    key_matter: bool


async def plan(
    centre: Centre, actor: Actor, *, leader: str, unit: str, starts_at: datetime, ends_at: datetime
) -> LeaderSession:
    """Plan a session. Raises Silent where the document has none, Missing, BadValue, BadTime, NotAllowed."""
    provision = _provision(centre)
    check_actor(actor, centre.jurisdiction)
    if role_of(actor.role) not in DECIDES:
        raise NotAllowed("领导接听电话活动由指挥中心安排", rule=provision.rule, field="role")
    name = given.text("leader", leader, rule=provision.rule, what="接听电话的领导", limit=100)
    given.unit("unit", unit, centre.jurisdiction, rule=provision.rule)
    if starts_at.tzinfo is None or ends_at.tzinfo is None:
        raise BadTime("时间没有时区，请写成 2026-02-13T16:00:00+08:00 这样", rule=provision.rule, field="starts_at")
    if ends_at <= starts_at:
        raise BadTime("结束时间要在开始时间以后", rule=provision.rule, field="ends_at")
    async with centre.db.begin() as session:
        made = LeaderSession(
            leader=name,
            unit=unit,
            starts_at=starts_at.astimezone(UTC),
            ends_at=ends_at.astimezone(UTC),
            at=centre.now(),
            by=actor.name,
        )
        session.add(made)
    return made


async def take(
    centre: Centre, ticket_id: str, version: int, session_id: int, actor: Actor, *, key_matter: bool = False
) -> Ticket:
    """Mark a ticket as taken by the leader of a session; `key_matter`: given to the leader's unit as its own (包案).

    Raises Silent, BadValue, IllegalTransition when the ticket was made at another time or is marked already,
    NotAllowed, NoSuchTicket, TicketChanged.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        provision = _provision(centre)
        found = await change.session.get(LeaderSession, session_id)
        if found is None:
            raise BadValue(f"没有编号为 {session_id} 的领导接听电话活动", rule=provision.rule, field="session_id")
        if not key_matter and not found.starts_at <= change.ticket.created_at <= found.ends_at:
            raise IllegalTransition("来电不在这次活动的时间里；活动以外的重点事项请按包案交办", rule=provision.rule)
        before = await change.session.scalar(select(LeaderCall).where(LeaderCall.ticket_id == ticket_id))
        if before is not None:
            raise IllegalTransition(f"工单 {change.ticket.serial} 已登记为领导接听的来电", rule=provision.rule)
        change.transition(
            "note",
            name="leader_call",
            after=found.unit,
            rule=provision.rule,
            why=f"{found.leader}接听，{'包案' if key_matter else ''}交{change.unit_name(found.unit)}办理",
        )
        change.session.add(
            LeaderCall(session_id=session_id, ticket_id=ticket_id, key_matter=key_matter, at=change.at, by=actor.name)
        )
    return change.ticket


async def unit_of(centre: Centre, ticket_id: str) -> str:
    """The unit of the leader who took this ticket; empty when none did."""
    query = (
        select(LeaderSession.unit)
        .join(LeaderCall, LeaderCall.session_id == LeaderSession.id)
        .where(LeaderCall.ticket_id == ticket_id)
    )
    async with centre.db.session() as session:
        return await session.scalar(query) or ""


async def taken(centre: Centre, since: datetime, until: datetime) -> Sequence[Taken]:
    """Tickets of sessions that began in [since, until): they are to be supervised (TP-28)."""
    query = (
        select(LeaderCall, LeaderSession, Ticket.serial)
        .join(LeaderSession, LeaderSession.id == LeaderCall.session_id)
        .join(Ticket, Ticket.id == LeaderCall.ticket_id)
        .where(LeaderSession.starts_at >= since, LeaderSession.starts_at < until)
        .order_by(LeaderCall.id)
    )
    async with centre.db.session() as session:
        return [
            Taken(call.ticket_id, serial, held.unit, held.leader, call.key_matter)
            for call, held, serial in (await session.execute(query))
        ]


def _provision(centre: Centre) -> LeaderSessions:
    found = centre.jurisdiction.law_at(centre.now()).leader_sessions
    if found is None:
        raise Silent(f"{centre.jurisdiction.name}的规定没有领导接听电话活动", rule="TP-11")
    return found
