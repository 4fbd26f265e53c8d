"""Final opinions (最终处理意见, 履责意见): after one, the same matter makes no new ticket, or is only explained again.

A unit files a stamped or signed document with its grounds; the centre reviews it. What is told later about that matter
is still taken down and linked (QH-5b), or goes to the unit to be explained (TP-12(5)); the caller is never shut out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.dispatching.likeness import likeness
from routing.dispatching.merging import copy_if_draft, told_in
from routing.dispatching.stamped_file import is_unchanged, keep
from routing.dispatching.tables import FinalOpinion as Opinion
from routing.jurisdiction import Jurisdiction
from routing.law.law import Law
from routing.law.provisions import FinalOpinion
from routing.life import given
from routing.life.changing import Change, changing, changing_two
from routing.life.errors import BadValue, IllegalTransition, NotAllowed, Silent
from routing.life.parts import FINAL
from routing.life.states import STATE_NAMES
from routing.life.tables import TicketLink
from routing.storage import Ticket
from routing.ticket_errors import quoted
from routing.tickets import Actor, NoSuchTicket

_HANDLED = ("under_review", "reviewed", "redo", "called_back", "mediation_ended", "archived")
"""States in which the unit has handled the matter at least once, so that an opinion about it can be final."""


@dataclass(frozen=True)
class Given:
    """What the unit says. `grounds`: of those that the document names; `signed_role`: who signed, by the law's role."""

    text: str
    basis: str
    grounds: Sequence[str]
    signed_by: str
    signed_role: str
    file: Path


@dataclass(frozen=True)
class Applying:
    """An accepted opinion that is about what a caller tells now. `effect`: no_new_ticket or explain."""

    opinion: Opinion
    effect: str
    reasons: tuple[str, ...]


async def file_opinion(
    centre: Centre, ticket_id: str, version: int, actor: Actor, what: Given, *, folder: Path
) -> Opinion:
    """The unit's opinion on a ticket that it has handled; the document is kept in `folder`.

    Raises Silent where the document knows no such opinion, Missing, BadValue, IllegalTransition, NotAllowed,
    NoSuchTicket, TicketChanged.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        provision = _provision(change.law, change.jurisdiction)
        rule = provision.rule
        if not actor.unit or actor.unit != change.ticket.lead_unit:
            raise NotAllowed(f"{provision.name}由主办单位出具", rule=rule, field="unit")
        if change.ticket.state not in _HANDLED:
            raise IllegalTransition(
                f"工单 {change.ticket.serial} 现在是“{STATE_NAMES[change.ticket.state]}”，"
                f"办理过的才能出具{provision.name}",
                rule=rule,
            )
        text = given.text("text", what.text, rule=rule, what="处理意见")
        basis = given.text("basis", what.basis, rule=rule, what="依据的法律法规、政策")
        signed_by = given.text("signed_by", what.signed_by, rule=rule, what="签发人", limit=100)
        for ground in what.grounds or [""]:
            given.one_of("grounds", ground, provision.grounds, rule=rule, what="出具意见的情形")
        if provision.signed_by:
            given.one_of("signed_role", what.signed_role, provision.signed_by, rule=rule, what="签发人的职务")
        kept = await asyncio.to_thread(keep, what.file, folder, rule=rule)
        told = told_in(change.jurisdiction, change.ticket)
        made = Opinion(
            ticket_id=ticket_id,
            unit=actor.unit,
            matter=told.matter,
            place=told.place,
            caller=change.ticket.caller_key,
            grounds=list(dict.fromkeys(what.grounds)),
            text=text,
            basis=basis,
            file_name=kept.name,
            sha256=kept.sha256,
            signed_by=signed_by,
            signed_role=what.signed_role,
            filed_at=change.at,
            filed_by=actor.name,
        )
        change.session.add(made)
        change.transition("note", name="final_opinion", after="filed", rule=rule, why=provision.name)
    return made


async def review_opinion(
    centre: Centre,
    opinion_id: int,
    version: int,
    actor: Actor,
    *,
    accept: bool,
    for_everyone: bool = False,
    why: str = "",
    folder: Path | None = None,
) -> Opinion:
    """The centre's decision: accepted, no further review of the matter is needed; or rejected with a reason.

    `version`: the ticket's; `for_everyone`: it closes the matter whoever tells it, not for this caller only; `folder`:
    where the stamped file is kept, which must be the one that was filed. Raises Missing, BadValue, IllegalTransition,
    NotAllowed, TicketChanged.
    """
    async with centre.db.session() as session:
        ticket_id = await session.scalar(select(Opinion.ticket_id).where(Opinion.id == opinion_id))
    if ticket_id is None:
        raise BadValue(f"没有编号为 {opinion_id} 的最终处理意见", rule="QH-5b", field="opinion_id")
    async with changing(centre, ticket_id, version, actor) as change:
        provision = _provision(change.law, change.jurisdiction)
        reason = given.text("why", why, rule=provision.rule, what="不予认可的理由", required=not accept)
        change.must_be(provision.reviewed_by or "center_office", f"{provision.name}", rule=provision.rule)
        found = await change.session.get_one(Opinion, opinion_id, with_for_update=True)
        if found.state != "filed":
            raise IllegalTransition(f"这份{provision.name}已经审核过", rule=provision.rule)
        if accept and folder and not await asyncio.to_thread(is_unchanged, folder, found.file_name, found.sha256):
            raise IllegalTransition("盖章的文件不在了或已变动，请承办单位重新出具", rule=provision.rule, field="file")
        found.state = "accepted" if accept else "rejected"
        found.for_everyone = accept and for_everyone
        found.decided_at, found.decided_by, found.why = change.at, actor.name, reason
        change.transition("note", name="final_opinion", after=found.state, rule=provision.rule, why=reason)
    return found


async def withdraw_opinion(centre: Centre, opinion_id: int, version: int, actor: Actor, *, why: str) -> Opinion:
    """Take an accepted opinion back: new facts, another law. From then on the matter makes tickets again.

    Raises Missing, BadValue, IllegalTransition, NotAllowed, TicketChanged.
    """
    async with centre.db.session() as session:
        ticket_id = await session.scalar(select(Opinion.ticket_id).where(Opinion.id == opinion_id))
    if ticket_id is None:
        raise BadValue(f"没有编号为 {opinion_id} 的最终处理意见", rule="QH-5b", field="opinion_id")
    async with changing(centre, ticket_id, version, actor) as change:
        provision = _provision(change.law, change.jurisdiction)
        reason = given.text("why", why, rule=provision.rule, what="撤销的理由")
        change.must_be(provision.reviewed_by or "center_office", provision.name, rule=provision.rule)
        found = await change.session.get_one(Opinion, opinion_id, with_for_update=True)
        if found.state != "accepted":
            raise IllegalTransition(f"只有认可了的{provision.name}才能撤销", rule=provision.rule)
        found.state, found.why = "withdrawn", reason
        change.transition("note", name="final_opinion", after="withdrawn", why=reason)
    return found


async def version_of(centre: Centre, opinion_id: int) -> int:
    """The version of the ticket that an opinion is about, for whoever has not seen the ticket. Raises BadValue."""
    query = select(Ticket.version).join(Opinion, Opinion.ticket_id == Ticket.id).where(Opinion.id == opinion_id)
    async with centre.db.session() as session:
        found = await session.scalar(query)
    if found is None:
        raise BadValue(f"没有编号为 {opinion_id} 的最终处理意见", rule="QH-5b", field="opinion_id")
    return found


async def applying(centre: Centre, ticket_id: str) -> list[Applying]:
    """Accepted opinions about what this ticket's caller tells, the newest first. Raises NoSuchTicket."""
    async with centre.db.session() as session:
        ticket = await session.get(Ticket, ticket_id)
        if ticket is None:
            raise NoSuchTicket(f"没有编号为 {quoted(ticket_id)} 的工单")
        provision = centre.jurisdiction.law_at(centre.now()).final_opinion
        return [] if provision is None else await _applying(centre.jurisdiction, session, ticket, provision)


async def close_under(
    centre: Centre, ticket_id: str, version: int, opinion_id: int, actor: Actor, *, no_new_facts: bool, told: bool
) -> Ticket:
    """Take down a call about a matter that has a final opinion: linked to it, and no new ticket to handle (QH-5b).

    Raises Silent where the document does not provide for it (in Turpan it is explained again), IllegalTransition when
    the opinion is about something else, BadValue, Missing, NotAllowed, NoSuchTicket, TicketChanged.
    """
    opinion = await _opinion(centre, opinion_id, rule="QH-5b")
    async with changing_two(centre, (ticket_id, version), (opinion.ticket_id, None), actor) as (change, concluded):
        provision = _provision(change.law, change.jurisdiction)
        if provision.effect != "no_new_ticket":
            raise Silent(f"有{provision.name}的事项要派给承办单位解释（{provision.article}）", rule=provision.rule)
        copy_if_draft(change)
        _demand(provision, no_new_facts=no_new_facts, told=told)
        await _about_this(change, opinion, provision)
        reason = (
            f"已有{provision.name}（工单 {concluded.ticket.serial}），登记并关联，不形成新的工单（{provision.article}）"
        )
        change.transition("merge", rule=provision.rule, why=reason)
        _link(change, concluded.ticket.id, reason)
        concluded.transition("link", name=FINAL, after=change.ticket.serial, rule=provision.rule, why=reason)
    return change.ticket


async def explain_under(centre: Centre, ticket_id: str, version: int, opinion_id: int, actor: Actor) -> Ticket:
    """Mark an accepted ticket as one in which the unit explains what it decided (TP-12(5)); it is then dispatched
    to the opinion's unit.

    Raises Silent where the document does not provide for it, IllegalTransition when the opinion is about something
    else, BadValue, NotAllowed, NoSuchTicket, TicketChanged.
    """
    opinion = await _opinion(centre, opinion_id, rule="TP-12(5)")
    async with changing_two(centre, (ticket_id, version), (opinion.ticket_id, None), actor) as (change, concluded):
        provision = _provision(change.law, change.jurisdiction)
        if provision.effect != "explain":
            raise Silent(f"有{provision.name}的事项不再形成新的工单（{provision.article}）", rule=provision.rule)
        await _about_this(change, opinion, provision)
        principle = next((one for one in change.law.principles if one.kind == "explain"), None)
        rule = principle.rule if principle else provision.rule
        reason = f"已有{provision.name}（工单 {concluded.ticket.serial}），转派原承办单位做好解释工作"
        change.transition("link", name=FINAL, after=concluded.ticket.serial, rule=rule, why=reason)
        concluded.transition("link", name=FINAL, after=change.ticket.serial, rule=rule, why=reason)
        _link(change, concluded.ticket.id, reason)
    return change.ticket


async def _opinion(centre: Centre, number: int, *, rule: str) -> Opinion:
    async with centre.db.session() as session:
        found = await session.get(Opinion, number)
    if found is None:
        raise BadValue(f"没有编号为 {number} 的最终处理意见", rule=rule, field="opinion_id")
    return found


async def _about_this(change: Change, opinion: Opinion, provision: FinalOpinion) -> None:
    about = await _applying(change.jurisdiction, change.session, change.ticket, provision)
    if opinion.id not in [one.opinion.id for one in about]:
        raise IllegalTransition(
            f"这份{provision.name}不是关于这个诉求人的这一事项的，或没有被认可；请按新的诉求受理", rule=provision.rule
        )


async def _applying(
    jurisdiction: Jurisdiction, session: AsyncSession, ticket: Ticket, provision: FinalOpinion
) -> list[Applying]:
    told = told_in(jurisdiction, ticket)
    if not (told.matter or told.caller_key):
        return []
    mine = Opinion.for_everyone
    query = (
        select(Opinion, Ticket)
        .join(Ticket, Ticket.id == Opinion.ticket_id)
        .where(
            Opinion.matter == told.matter,
            Opinion.state == "accepted",
            Opinion.ticket_id != ticket.id,
            or_(mine, Opinion.caller == told.caller_key) if told.caller_key else mine,
        )
        .order_by(Opinion.id.desc())
    )
    found = []
    for opinion, concluded in await session.execute(query):
        alike = likeness(jurisdiction, told, told_in(jurisdiction, concluded))
        if alike is not None:
            reasons = (*alike.reasons, f"{provision.name}：{'、'.join(opinion.grounds)}")
            found.append(Applying(opinion, provision.effect, reasons))
    return found


def _demand(provision: FinalOpinion, *, no_new_facts: bool, told: bool) -> None:
    if not no_new_facts:
        raise BadValue("有新的事实就要另行受理；请先问明诉求人", rule=provision.rule, field="no_new_facts")
    if not told:
        raise BadValue(f"请先把{provision.name}告知诉求人", rule=provision.rule, field="told")


def _provision(law: Law, jurisdiction: Jurisdiction) -> FinalOpinion:
    if law.final_opinion is None:
        raise Silent(f"{jurisdiction.name}的规定没有最终处理意见", rule="QH-5b")
    return law.final_opinion


def _link(change: Change, to_id: str, why: str) -> None:
    change.session.add(
        TicketLink(
            ticket_id=change.ticket.id, to_ticket_id=to_id, kind=FINAL, at=change.at, by=change.actor.name, why=why
        )
    )
