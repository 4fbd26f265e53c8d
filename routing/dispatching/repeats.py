"""The rule of repeated answers: the same person, the same issue, answered often enough, and nothing new (YZ-35).

The software counts and offers; only a person refuses, and only the matter: the caller is listened to at the next call
as at the first. Until then the unit goes on answering patiently.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.dispatching.likeness import Told, likeness
from routing.dispatching.merging import copy_if_draft, told_in
from routing.jurisdiction import Jurisdiction
from routing.law.provisions import Repeats
from routing.life import given
from routing.life.changing import changing
from routing.life.errors import IllegalTransition, Missing, Silent
from routing.life.parts import ANSWERED_BEFORE, whole_of
from routing.life.states import STATE_NAMES
from routing.life.tables import TicketLink
from routing.storage import Ticket
from routing.ticket_errors import quoted
from routing.tickets import Actor, NoSuchTicket


@dataclass(frozen=True)
class Answer:
    """One answer that this caller has had about this issue. `counts`: it was timely and accurate; `why_not` else."""

    ticket_id: str
    serial: str
    at: datetime
    counts: bool
    why_not: str = ""


@dataclass(frozen=True)
class Repetition:
    """What the law's counter says. `may_refuse`: the number is passed; whether there is news, a person knows."""

    answers: tuple[Answer, ...]
    in_progress: tuple[str, ...]
    """Serials of this caller's open tickets about the same issue."""
    limit: int | None
    """Answers above which it may be refused; None: the document names no number, one is enough."""
    may_refuse: bool
    rule: str
    reason: str

    @property
    def counted(self) -> int:
        """How many answers count."""
        return sum(answer.counts for answer in self.answers)


async def repetition(centre: Centre, ticket_id: str) -> Repetition:
    """How often this caller has been answered about this issue. Raises NoSuchTicket."""
    async with centre.db.session() as session:
        ticket = await session.get(Ticket, ticket_id)
        if ticket is None:
            raise NoSuchTicket(f"没有编号为 {quoted(ticket_id)} 的工单")
        return await _repetition(centre.jurisdiction, session, ticket, centre.jurisdiction.law_at(centre.now()).repeats)


async def refuse_repeat(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, no_new_facts: bool, told: bool, why: str
) -> Ticket:
    """Refuse a matter that has been answered often enough, by a person's decision.

    `no_new_facts`: the person asked, and the caller has none; `told`: the caller was told of the refusal and its
    basis. Raises Silent where the document has no such rule, Missing, IllegalTransition below the number, NotAllowed,
    NoSuchTicket, TicketChanged.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        provision = change.law.repeats
        if provision is None:
            raise Silent(f"{change.jurisdiction.name}没有关于反复反映的规定，不能以此不予受理", rule="YZ-35")
        reason = given.text("why", why, rule=provision.rule, what="认定没有新情况的说明")
        if not no_new_facts:
            raise Missing(
                f"有新的事实就要受理；请先问明诉求人能否提供新的事实（{provision.article}）",
                rule=provision.rule,
                field="no_new_facts",
            )
        if not told:
            raise Missing("请先告知诉求人不再受理及其依据", rule=provision.rule, field="told")
        copy_if_draft(change)
        counted = await _repetition(change.jurisdiction, change.session, change.ticket, provision)
        if not counted.may_refuse:
            raise IllegalTransition(counted.reason, rule=provision.rule)
        change.transition("refuse", rule=provision.rule, why=f"{counted.reason}；{reason}")
        change.ticket.ground = provision.rule
        for answer in counted.answers:
            if answer.counts:
                change.session.add(
                    TicketLink(
                        ticket_id=change.ticket.id,
                        to_ticket_id=answer.ticket_id,
                        kind=ANSWERED_BEFORE,
                        at=change.at,
                        by=actor.name,
                        why=reason,
                    )
                )
    return change.ticket


async def _repetition(
    jurisdiction: Jurisdiction, session: AsyncSession, ticket: Ticket, provision: Repeats | None
) -> Repetition:
    told = told_in(jurisdiction, ticket)
    answers: list[Answer] = []
    in_progress: list[str] = []
    if told.caller_key and not ticket.anonymous:
        for other, whole in await _told_before(session, ticket, told, jurisdiction):
            if whole.completed_at is not None:
                why_not = _why_it_does_not_count(whole)
                answers.append(Answer(whole.id, whole.serial, whole.completed_at, not why_not, why_not))
            elif whole.state not in ("draft", "refused", "referred", "mediation_ended", "merged"):
                in_progress.append(other.serial)
    answers.sort(key=lambda answer: (answer.at, answer.serial))
    counted = sum(answer.counts for answer in answers)
    if provision is None:
        return Repetition(tuple(answers), tuple(in_progress), None, False, "", "规定没有写明反复反映的处理")
    enough = counted > (provision.answered if provision.answered is not None else 0)
    return Repetition(
        tuple(answers),
        tuple(in_progress),
        provision.answered,
        enough,
        provision.rule,
        _reason(provision, counted, enough=enough, known=bool(told.caller_key) and not ticket.anonymous),
    )


def _reason(provision: Repeats, counted: int, *, enough: bool, known: bool) -> str:
    if not known:
        return f"不知道是不是同一个人，不能计次；应当受理并耐心答复（{provision.article}）"
    limit = f"超过 {provision.answered} 次" if provision.answered is not None else "办结"
    if enough:
        may = f"（规定：{limit}），没有新的事实的可不再受理（{provision.article}）"
        return f"同一人同一问题已及时、准确答复 {counted} 次{may}"
    return f"同一人同一问题已及时、准确答复 {counted} 次，未到“{limit}”，仍应耐心答复（{provision.article}）"


def _why_it_does_not_count(whole: Ticket) -> str:
    if whole.late:
        return "答复逾期"
    if whole.state in ("redo", "under_review", "in_hand"):
        return f"工单{STATE_NAMES[whole.state]}，答复还没有定"
    return ""


async def _told_before(
    session: AsyncSession, ticket: Ticket, told: Told, jurisdiction: Jurisdiction
) -> list[tuple[Ticket, Ticket]]:
    """This caller's other tickets about this issue, each with the ticket that it was handled in; each answer once."""
    query = (
        select(Ticket)
        .where(
            Ticket.caller_key == told.caller_key,
            Ticket.matter == told.matter,
            Ticket.jurisdiction == ticket.jurisdiction,
            Ticket.id != ticket.id,
        )
        .order_by(Ticket.created_at)
    )
    found: dict[str, tuple[Ticket, Ticket]] = {}
    for other in await session.scalars(query):
        if likeness(jurisdiction, told, told_in(jurisdiction, other)) is None:
            continue
        whole = await session.get_one(Ticket, await whole_of(session, other.id)) if other.state == "merged" else other
        if whole.id != ticket.id:
            found.setdefault(whole.id, (other, whole))
    return list(found.values())
