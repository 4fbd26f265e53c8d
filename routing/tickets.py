"""What people do with tickets: read them, correct them, confirm them. The desk calls these.

`version` is the version of the ticket that the person has on the screen. The machine goes on filling a draft
while the caller speaks, so an older version alone is no conflict. It is one (TicketChanged) when
  - somebody else (not the machine) changed a field that is now edited, or confirmed the ticket, since that version;
  - at confirmation: anybody changed a field since then whose value does not come along in `values`, because
    then a value would be confirmed that the person has not seen.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from ivr.events import now
from routing.acceptance import take_in
from routing.history import MACHINE, line, set_attention
from routing.jurisdiction import Jurisdiction
from routing.life.errors import NotAllowed
from routing.life.states import CENTRE, role_of, ticket_step
from routing.storage import FIELDS, Call, Database, FieldValue, Ticket, TicketChange, Utterance
from routing.ticket_errors import AlreadyConfirmed as AlreadyConfirmed
from routing.ticket_errors import BadField as BadField
from routing.ticket_errors import NoSuchTicket as NoSuchTicket
from routing.ticket_errors import TicketChanged as TicketChanged
from routing.ticket_errors import TicketError as TicketError
from routing.ticket_errors import quoted

MAX_FIELD_CHARACTERS = 4000

ATTENTION = {
    "call_ended_unseen": "通话在系统中断期间结束，请核实",
    "abandoned": "来电未被接听，请回拨",
    "spoke_unanswered": "来电人已留言说明，但无人接听，请回拨",
    "no_transcript": "通话没有转写，请按录音补录",
    "line_exhausted": "紧急专线没有接通，请立即核实来电人的安全",
    "emergency_key": "按了紧急键后挂断，没有接通任何人，请立即回拨核实来电人的安全",
    "not_telephoned": "应急工单还没有电话通知承办单位",
    "callback_unsolved": "回访时诉求人表示未处理或未解决，请退回承办单位并定期限",
    "rated_after_archive": "归档后收到不满意的首次评价，请决定是否重办",
}
"""Reasons why a supervisor should look at a ticket, and what the list says."""

LINE_EXHAUSTED = "line_exhausted"
EMERGENCY_KEY = "emergency_key"
"""Those of them which the end of the call does not replace."""

MISSED = ("abandoned", "spoke_unanswered")
"""Those of them that say: this caller is still owed a call."""

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True)
class Actor:
    """Who acts: the name that the history shows, the role (agent, supervisor, ...), and the unit; "": the centre."""

    name: str
    role: str
    unit: str = ""


async def edit(
    db: Database,
    ticket_id: str,
    version: int,
    values: dict[str, str],
    actor: Actor,
    *,
    jurisdiction: Jurisdiction | None = None,
) -> Ticket:
    """Save a person's values of a draft; the machine leaves these fields alone from now on, emptied ones too.

    Give only the fields that the person touched. With a `jurisdiction`, ids (intent, urgency, matter, units)
    are checked against it. Raises NotAllowed, NoSuchTicket, BadField, AlreadyConfirmed, TicketChanged.
    """
    _must_be_of_the_centre(actor)
    checked = checked_values(values, jurisdiction)

    async def change(session: AsyncSession, ticket: Ticket) -> None:
        await _refuse_conflict(session, ticket, version, checked, actor, unseen_too=False)
        if _news(ticket, checked):
            _next_version(ticket)
            write_values(session, ticket, checked, actor)

    return await _changed(db, ticket_id, change)


async def confirm(
    db: Database,
    ticket_id: str,
    version: int,
    values: dict[str, str],
    actor: Actor,
    *,
    jurisdiction: Jurisdiction,
    reminded: bool = False,
    scope: str = "",
) -> Ticket:
    """Save `values` and confirm the draft: the ticket is accepted, and the machine changes nothing from then on.

    Of several at once, one wins. `reminded`: the caller was told that a report has to be true (YZ-33). `scope`: the
    item of the intake scope, where matter and intent do not say which.
    Raises NoSuchTicket, BadField, AlreadyConfirmed, TicketChanged.
    """
    _must_be_of_the_centre(actor)
    checked = checked_values(values, jurisdiction)

    async def change(session: AsyncSession, ticket: Ticket) -> None:
        await _refuse_conflict(session, ticket, version, checked, actor, unseen_too=True)
        _next_version(ticket)
        write_values(session, ticket, checked, actor)
        for made in accepted(ticket, jurisdiction, ticket.updated_at, actor.name, scope=scope, reminded=reminded):
            session.add(made)

    return await _changed(db, ticket_id, change)


def accepted(
    ticket: Ticket,
    jurisdiction: Jurisdiction,
    at: datetime,
    actor: str,
    *,
    scope: str = "",
    handling_class: str = "",
    reminded: bool = False,
) -> list[TicketChange]:
    """Accept a draft as part of the version that has been begun; gives the lines of its history.

    Raises BadField (routing.acceptance.take_in).
    """
    take_in(ticket, jurisdiction, at, scope=scope, handling_class=handling_class, reminded=reminded)
    ticket.state = "accepted"
    ticket.accepted_at = at
    ticket.accepted_by = actor
    rule = ticket_step("accept").rule(jurisdiction.prefix)
    why = f"受理范围 {ticket.scope}"
    lines = [line(ticket, at, actor, "accept", field="state", before="draft", after="accepted", why=why, rule=rule)]
    if reminded:
        lines.append(line(ticket, at, actor, "remind_of_truth", why="已提醒来电人举报内容须真实", rule="YZ-33"))
    if ticket.attention:
        lines.append(set_attention(ticket, "", at, actor, why="工单已确认"))
    return lines


async def clear_attention(db: Database, ticket_id: str, version: int, actor: Actor, *, why: str = "") -> Ticket:
    """Take a ticket off the supervisor's list.

    Raises NotAllowed for whoever is not of the centre; NoSuchTicket; TicketChanged when the reason is a newer one.
    """
    _must_be_of_the_centre(actor)

    async def change(session: AsyncSession, ticket: Ticket) -> None:
        newer = await _since(session, ticket, version)
        if any(made.action == "attention" and made.after for made in newer):
            raise TicketChanged(f"工单 {ticket.serial} 有新的提醒，请刷新后再处理")
        if ticket.attention:
            _next_version(ticket)
            session.add(set_attention(ticket, "", ticket.updated_at, actor.name, why=why))

    return await _changed(db, ticket_id, change)


async def calls(db: Database, *, live: bool | None = None, limit: int = 100) -> list[Call]:
    """Calls, the newest first. `live`: only those in progress (True) or ended (False)."""
    query = select(Call).order_by(Call.arrived_at.desc(), Call.call_id).limit(limit)
    if live is not None:
        query = query.where(Call.state != "ended" if live else Call.state == "ended")
    async with db.session() as session:
        return list(await session.scalars(query))


async def call(db: Database, call_id: str) -> Call | None:
    """One call, or None."""
    async with db.session() as session:
        return await session.get(Call, call_id)


async def utterances(db: Database, call_id: str) -> list[Utterance]:
    """The transcript of a call in the order in which it was spoken."""
    async with db.session() as session:
        return list(await session.scalars(transcript_query(call_id)))


async def tickets(
    db: Database,
    *,
    state: str | None = None,
    attention: bool | None = None,
    limit: int = 100,
    before: str | None = None,
) -> list[Ticket]:
    """Tickets, the newest first; `before` is the id of the last one of the page before.

    Raises NoSuchTicket when there is no ticket `before`.
    """
    query = select(Ticket).order_by(Ticket.created_at.desc(), Ticket.id.desc()).limit(limit)
    if state is not None:
        query = query.where(Ticket.state == state)
    if attention is not None:
        query = query.where(Ticket.attention != "" if attention else Ticket.attention == "")
    async with db.session() as session:
        if before is not None:
            last = await session.get(Ticket, before)
            if last is None:
                raise _no_such(before)
            query = query.where(tuple_(Ticket.created_at, Ticket.id) < tuple_(last.created_at, last.id))
        return list(await session.scalars(query))


async def ticket(db: Database, ticket_id: str) -> Ticket | None:
    """One ticket, or None."""
    async with db.session() as session:
        return await session.get(Ticket, ticket_id)


async def ticket_of_call(db: Database, call_id: str) -> Ticket | None:
    """The ticket of a call, or None."""
    async with db.session() as session:
        found: Ticket | None = await session.scalar(select(Ticket).where(Ticket.call_id == call_id))
        return found


async def history(db: Database, ticket_id: str) -> list[TicketChange]:
    """All that happened to a ticket, the oldest first."""
    async with db.session() as session:
        query = select(TicketChange).where(TicketChange.ticket_id == ticket_id).order_by(TicketChange.id)
        return list(await session.scalars(query))


def transcript_query(call_id: str) -> Select[Utterance]:
    """Selects what was said in a call, in the order in which it was spoken."""
    return select(Utterance).where(Utterance.call_id == call_id).order_by(Utterance.at, Utterance.id)


def why_not_kept(text: str, limit: int = MAX_FIELD_CHARACTERS) -> str:
    """What is wrong with a text that a person gave, for people; "" when it can be kept."""
    if len(text) > limit:
        return f"内容有 {len(text)} 个字，最多 {limit} 个"
    if _CONTROL.search(text):
        return "内容里有控制字符，请删去（可以换行）"
    return ""


def checked_values(values: dict[str, str], jurisdiction: Jurisdiction | None) -> dict[str, str]:
    """Values of fields that people gave, without blanks around them. Raises BadField."""
    checked: dict[str, str] = {}
    for name, given in values.items():
        if name not in FIELDS:
            raise BadField(f"没有“{quoted(name)}”这个字段（有：{'、'.join(FIELDS)}）", field=name[:60])
        if not isinstance(given, str):
            raise BadField(f"“{name}”要写成文字，不是 {type(given).__name__}", field=name)
        value = given.replace("\r\n", "\n").strip()
        if wrong := why_not_kept(value):
            raise BadField(wrong, field=name)
        if jurisdiction is not None and value and not jurisdiction.allows(name, value):
            raise BadField(f"“{quoted(value)}”不在{jurisdiction.name}的目录里", field=name)
        checked[name] = value
    return checked


def _must_be_of_the_centre(actor: Actor) -> None:
    """Drafts and reminders are the centre's, whichever page or command asks (NotAllowed)."""
    if role_of(actor.role) not in CENTRE or actor.unit:
        raise NotAllowed("草稿和提醒由指挥中心处理，承办单位和其他人不能处理", field="role")


async def _changed(db: Database, ticket_id: str, change: Callable[[AsyncSession, Ticket], Awaitable[None]]) -> Ticket:
    try:
        async with db.begin() as session:
            found = await session.get(Ticket, ticket_id, with_for_update=True)
            if found is None:
                raise _no_such(ticket_id)
            await change(session, found)
        return found
    except StaleDataError as lost:
        raise TicketChanged("工单刚刚被别人修改，请刷新后再试") from lost


async def _refuse_conflict(
    session: AsyncSession, ticket: Ticket, version: int, values: dict[str, str], actor: Actor, *, unseen_too: bool
) -> None:
    if ticket.state != "draft" and ticket.version == version:
        raise _closed(ticket)
    for made in await _since(session, ticket, version):
        other_person_here = made.field in values and made.actor not in (MACHINE, actor.name)
        not_seen = unseen_too and made.field in FIELDS and made.field not in values and made.actor != actor.name
        left_draft = made.field == "state" and made.before == "draft"
        if left_draft or other_person_here or not_seen:
            field = "" if left_draft else made.field
            raise TicketChanged(f"工单 {ticket.serial} 在您查看之后被修改过，请刷新后再试", field=field)
    if ticket.state != "draft":
        raise _closed(ticket)


def _closed(ticket: Ticket) -> AlreadyConfirmed:
    by = f"由 {ticket.accepted_by} 确认" if ticket.accepted_by else "处理完毕"
    return AlreadyConfirmed(f"工单 {ticket.serial} 已{by}，不能再修改草稿")


async def _since(session: AsyncSession, ticket: Ticket, version: int) -> list[TicketChange]:
    query = (
        select(TicketChange)
        .where(TicketChange.ticket_id == ticket.id, TicketChange.version > version)
        .order_by(TicketChange.id)
    )
    return list(await session.scalars(query))


def write_values(session: AsyncSession, ticket: Ticket, values: dict[str, str], actor: Actor) -> None:
    """Set the fields that a person changes, as part of the version that has been begun; lines of history with it."""
    fields = dict(ticket.fields)
    for name, value in _news(ticket, values).items():
        before = fields[name]
        # Whoever accepts what the machine heard accepts the words too; another value came from elsewhere.
        words, utterances = (before["words"], before["utterances"]) if before["value"] == value else ([], [])
        fields[name] = FieldValue(
            value=value, source="agent", words=words, confidence=None, utterances=utterances, by=actor.name
        )
        session.add(
            line(ticket, ticket.updated_at, actor.name, "edited", field=name, before=before["value"], after=value)
        )
    ticket.fields = fields


def _news(ticket: Ticket, values: dict[str, str]) -> dict[str, str]:
    """The values that are not in the ticket yet; a machine's value that a person gives too becomes the person's."""
    return {
        name: value
        for name, value in values.items()
        if (ticket.fields[name]["value"], ticket.fields[name]["source"]) != (value, "agent")
    }


def _next_version(ticket: Ticket) -> None:
    ticket.version += 1
    ticket.updated_at = now()


def _no_such(ticket_id: str) -> NoSuchTicket:
    return NoSuchTicket(f"没有编号为 {quoted(ticket_id)} 的工单")
