"""One matter, one ticket: what several callers tell is handled once, and every caller hears the result.

The software finds candidates, a person merges (国办函〔2025〕66号). A ticket that is merged keeps its caller, its call
and its history; when the ticket it became part of is done, its caller is called back too. What the same caller tells
again while it is in progress is linked in the same way (TP-10(7)). Merging can be undone.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.acceptance import copy_fields
from routing.centre import Centre
from routing.dispatching.likeness import OFFERED, Told, likeness
from routing.dispatching.whereabouts import entry, whereabouts
from routing.jurisdiction import Jurisdiction
from routing.life import given, limits
from routing.life.changing import Change, changing, changing_two
from routing.life.errors import BadValue, IllegalTransition
from routing.life.parts import ANSWERED_BEFORE, MERGED, REPEATS
from routing.life.states import STATE_NAMES
from routing.life.tables import TicketLink
from routing.storage import Ticket, TicketChange
from routing.ticket_errors import quoted
from routing.tickets import Actor, NoSuchTicket

INTO = ("accepted", "pre_review", "dispatched", "in_hand", "returning", "returned", "under_review", "redo")
"""States in which a ticket can take others in: accepted, and its result is not there yet."""

_NATIONAL = "国办函〔2025〕66号"
_READ = 200
"""So many open tickets of one matter and place are compared, the newest first; more are a cluster, not a repetition."""


@dataclass(frozen=True)
class Candidate:
    """An open ticket that may be the same matter. `score` 0-1; `reasons` are Chinese, for the agent."""

    ticket_id: str
    serial: str
    state: str
    lead_unit: str
    score: float
    reasons: tuple[str, ...]
    same_caller: bool


async def candidates(centre: Centre, ticket_id: str, *, limit: int = 5) -> list[Candidate]:
    """Open tickets that may be the same matter as this one, the likeliest first. Raises NoSuchTicket."""
    async with centre.db.session() as session:
        ticket = await _ticket(session, ticket_id)
        return await like(centre.jurisdiction, session, ticket, limit=limit)


async def like(jurisdiction: Jurisdiction, session: AsyncSession, ticket: Ticket, *, limit: int = 5) -> list[Candidate]:
    """The same within a session that is open already."""
    told = told_in(jurisdiction, ticket)
    if ticket.restricted_to:
        return []
    queries = [
        *([_open_at_place(ticket, told)] if told.matter and told.place else []),
        *([_open_of_caller(ticket, told)] if told.caller_key else []),
        *([_open_at_no_known_place(ticket, told)] if told.matter and told.place_text and not told.place else []),
    ]
    others = {other.id: other for query in queries for other in await session.scalars(query)}
    found = []
    for other in others.values():
        alike = likeness(jurisdiction, told, told_in(jurisdiction, other))
        if alike is not None and alike.score >= OFFERED:
            found.append(
                Candidate(
                    other.id,
                    other.serial,
                    other.state,
                    other.lead_unit,
                    alike.score,
                    (*alike.reasons, f"工单 {other.serial} {STATE_NAMES[other.state]}"),
                    alike.same_caller,
                )
            )
    return sorted(found, key=lambda one: (-one.score, one.serial))[:limit]


def told_in(jurisdiction: Jurisdiction, ticket: Ticket) -> Told:
    """What a ticket tells, from its columns; while it is a draft, from its form."""

    def written(name: str) -> str:
        field = ticket.fields.get(name)
        return field["value"] if field else ""

    place = written("place")
    name = ticket.place if entry(jurisdiction, ticket.place) else whereabouts(jurisdiction, place).name
    event = " ".join(part for part in (written("event"), written("demand")) if part)
    return Told(ticket.matter or written("matter"), name, place, event, ticket.caller_key, ticket.created_at)


async def merge(
    centre: Centre,
    ticket_id: str,
    version: int,
    into_id: str,
    actor: Actor,
    *,
    into_version: int | None = None,
    why: str = "",
) -> Ticket:
    """Make a ticket part of an open one that is about the same matter; its caller stays with it.

    Raises IllegalTransition when either is in no state for it, BadValue when it would lose something (another
    confidentiality, an emergency, a report), NotAllowed, NoSuchTicket, TicketChanged.
    """
    reason = given.text("why", why, rule="YZ-11", what="并入的理由", required=False)
    async with changing_two(centre, (ticket_id, version), (into_id, into_version), actor) as (part, whole):
        if whole.ticket.state not in INTO:
            right = "、".join(f"“{STATE_NAMES[one]}”" for one in INTO)
            raise IllegalTransition(
                f"工单 {whole.ticket.serial} 现在是“{STATE_NAMES[whole.ticket.state]}”，不能并入；可以的状态：{right}",
                rule="TP-10",
            )
        copy_if_draft(part)
        _refuse_loss(part, whole)
        repeats = part.law.repeats
        same = bool(part.ticket.caller_key) and part.ticket.caller_key == whole.ticket.caller_key
        rule = repeats.rule if same and repeats is not None and repeats.in_progress else ""
        because = reason or ("同一诉求人的同一事项正在办理" if same else f"同一地点的同一事项（{_NATIONAL}）")
        limits.cancel_all(part, None, "并入另一工单")
        part.transition("merge", rule=rule, why=because)
        _link(part, whole.ticket.id, MERGED, because)
        whole.transition("link", name=MERGED, after=part.ticket.serial, rule=rule, why=because)
    return part.ticket


async def unmerge(centre: Centre, ticket_id: str, version: int, actor: Actor, *, why: str) -> Ticket:
    """Take a merged ticket out again: it is in the state in which it was, and gets its own handling.

    Raises Missing without a reason, IllegalTransition when it is not merged, NotAllowed, NoSuchTicket, TicketChanged.
    """
    reason = given.text("why", why, rule="YZ-11", what="取消并入的理由")
    async with centre.db.session() as session:
        link = await session.scalar(_merges().where(TicketLink.ticket_id == ticket_id))
    if link is None:
        async with changing(centre, ticket_id, version, actor) as change:
            change.may("unmerge")
            raise IllegalTransition(f"工单 {change.ticket.serial} 没有并入在办的工单，不能取消并入", rule="TP-10")
    async with changing_two(centre, (ticket_id, version), (link.to_ticket_id, None), actor) as (part, whole):
        before = await part.session.scalar(
            select(TicketChange.before)
            .where(TicketChange.ticket_id == ticket_id, TicketChange.action == "merge", TicketChange.field == "state")
            .order_by(TicketChange.id.desc())
            .limit(1)
        )
        part.transition("unmerge", to=before, why=reason)
        limits.resume_citizens(part)
        # Again within the lock: somebody may have taken it out meanwhile.
        held = await part.session.scalar(_merges().where(TicketLink.ticket_id == ticket_id))
        if held is None or held.to_ticket_id != whole.ticket.id:
            raise IllegalTransition(f"工单 {part.ticket.serial} 已不在工单 {whole.ticket.serial} 里", rule="TP-10")
        await part.session.delete(held)
        whole.transition("link", name="unmerged", after=part.ticket.serial, why=reason)
    return part.ticket


async def link(
    centre: Centre, ticket_id: str, version: int, to_id: str, actor: Actor, *, kind: str = REPEATS, why: str = ""
) -> Ticket:
    """Say that a ticket belongs to another one; both go on by themselves. Saying it twice changes nothing.

    `kind`: repeats or answered_before. Raises BadValue, NotAllowed, NoSuchTicket, TicketChanged.
    """
    given.one_of("kind", kind, (REPEATS, ANSWERED_BEFORE), rule="TP-10", what="关联的种类")
    reason = given.text("why", why, rule="TP-10", what="关联的理由", required=False)
    async with changing_two(centre, (ticket_id, version), (to_id, None), actor) as (one, other):
        there = await one.session.scalar(
            select(TicketLink).where(
                TicketLink.ticket_id == ticket_id, TicketLink.to_ticket_id == to_id, TicketLink.kind == kind
            )
        )
        if there is None:
            one.transition("link", name=kind, after=other.ticket.serial, why=reason)
            other.transition("link", name=kind, after=one.ticket.serial, why=reason)
            _link(one, to_id, kind, reason)
    return one.ticket


def _refuse_loss(part: Change, whole: Change) -> None:
    """Refuse a merge by which something that the law demands of the part would not happen any more."""
    ours, theirs = part.ticket, whole.ticket
    if ours.restricted_to != theirs.restricted_to:
        raise BadValue("只由纪检监察部门查看的工单不能与其他工单合并", rule="YZ-14(5)", field="into_id")
    if ours.content_secret and not theirs.content_secret:
        raise BadValue("诉求内容保密的工单不能并入不保密的工单", rule="YZ-26", field="into_id")
    ordinary = part.jurisdiction.urgencies[0].id
    if ours.urgency not in ("", ordinary) and theirs.urgency in ("", ordinary):
        raise BadValue(
            f"应急的诉求不能并入一般工单；请先把工单 {theirs.serial} 更正为应急类，或单独派单",
            rule="YZ-14(4)",
            field="into_id",
        )
    reported = {escalation.trigger: escalation for escalation in part.law.escalations}.get("report")
    if reported is not None and ours.intent == "report" != theirs.intent:
        raise BadValue("举报件须另行呈批，不能并入其他工单；请关联", rule=reported.rule, field="into_id")


def copy_if_draft(change: Change) -> None:
    """What is decided about a draft is decided about what stands in its form."""
    if change.ticket.state == "draft":
        copy_fields(change.ticket, change.jurisdiction, change.at)


def _link(change: Change, to_id: str, kind: str, why: str) -> None:
    change.session.add(
        TicketLink(
            ticket_id=change.ticket.id, to_ticket_id=to_id, kind=kind, at=change.at, by=change.actor.name, why=why
        )
    )


def _open_at_place(ticket: Ticket, told: Told) -> Select[Ticket]:
    return _open(ticket, told).where(Ticket.place == told.place, Ticket.content_secret.is_(False))


def _open_at_no_known_place(ticket: Ticket, told: Told) -> Select[Ticket]:
    return _open(ticket, told).where(Ticket.place == "", Ticket.content_secret.is_(False))


def _open_of_caller(ticket: Ticket, told: Told) -> Select[Ticket]:
    return _open(ticket, told).where(Ticket.caller_key == told.caller_key)


def _open(ticket: Ticket, told: Told) -> Select[Ticket]:
    return (
        select(Ticket)
        .where(
            Ticket.jurisdiction == ticket.jurisdiction,
            Ticket.matter == told.matter,
            Ticket.state.in_(INTO),
            Ticket.id != ticket.id,
            Ticket.restricted_to == "",
        )
        .order_by(Ticket.created_at.desc())
        .limit(_READ)
    )


def _merges() -> Select[TicketLink]:
    return select(TicketLink).where(TicketLink.kind == MERGED)


async def _ticket(session: AsyncSession, ticket_id: str) -> Ticket:
    found = await session.get(Ticket, ticket_id)
    if found is None:
        raise NoSuchTicket(f"没有编号为 {quoted(ticket_id)} 的工单")
    return found
