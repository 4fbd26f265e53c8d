"""Taking a matter in (受理), or not: accepted, refused on a ground, answered on the spot, referred to somebody else.

Refusing is a person's decision; nothing here can stop a caller, only a matter can be refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from routing.acceptance import copy_fields, must_be_reminded, set_classes
from routing.centre import Centre
from routing.history import line
from routing.jurisdiction import Jurisdiction
from routing.law.provisions import Referral
from routing.life import given, limits
from routing.life.changing import LEAD, Change, changing, check_actor
from routing.life.errors import BadValue, IllegalTransition, Missing, NotAllowed, Silent, Undecided
from routing.life.parts import parts_of
from routing.life.states import ticket_step
from routing.life.tables import Task
from routing.serials import next_serial
from routing.storage import Ticket
from routing.tickets import Actor, accepted, checked_values, write_values
from routing.watch.notices import Said, say

DISCIPLINE = "discipline"
"""What a referral of a party-discipline matter is called."""


async def open_ticket(
    centre: Centre,
    actor: Actor,
    *,
    channel: str,
    values: Mapping[str, str] | None = None,
    external_id: str = "",
    anonymous: bool = False,
) -> Ticket:
    """A draft that no call opened: a letter, a message, a ticket from the platform above (`external_id`).

    Raises NotAllowed, BadValue (channel), BadField.
    """
    check_actor(actor, centre.jurisdiction)
    step = ticket_step("accept")
    if actor.unit:
        raise NotAllowed(
            "工单由区指挥中心受理，承办单位不能开单", rule=step.rule(centre.jurisdiction.prefix), field="role"
        )
    at = centre.now()
    law = centre.jurisdiction.law_at(at)
    if law.channels:
        given.one_of("channel", channel, law.channels.names, rule=law.channels.rule, what="渠道")
    else:
        given.text("channel", channel, rule="YZ-13", what="渠道", limit=20)
    external_id = given.text("external_id", external_id, rule="YZ-6(8)", what="上级平台编号", required=False, limit=100)
    checked = checked_values(dict(values or {}), centre.jurisdiction)
    async with centre.db.begin() as session:
        await _must_be_free(session, external_id)
        ticket = Ticket(
            serial=await next_serial(session, centre.jurisdiction, at),
            call_id=None,
            jurisdiction=centre.jurisdiction.id,
            channel=channel,
            external_id=external_id,
            anonymous=anonymous,
            created_at=at,
            updated_at=at,
        )
        session.add(ticket)
        # The id and the version are given by the database's defaults, and the history line carries both.
        await _flush(session, external_id)
        session.add(line(ticket, at, actor.name, "opened", after=ticket.serial, why=channel, rule="YZ-13"))
        write_values(session, ticket, checked, actor)
    return ticket


async def accept_draft(
    centre: Centre,
    ticket_id: str,
    version: int,
    actor: Actor,
    *,
    values: Mapping[str, str] | None = None,
    scope: str = "",
    handling_class: str = "",
    reminded: bool = False,
    anonymous: bool | None = None,
) -> Ticket:
    """Accept a draft under an item of the intake scope. `values` are fields that the agent sets with it.

    Raises as `changing`; BadField: an id that is not there, no item of the scope fits, a report without `reminded`.
    """
    checked = checked_values(dict(values or {}), centre.jurisdiction)
    async with changing(centre, ticket_id, version, actor) as change:
        change.may("accept")
        change.begin()
        write_values(change.session, change.ticket, checked, actor)
        if anonymous is not None:
            change.ticket.anonymous = anonymous
        for made in accepted(
            change.ticket,
            centre.jurisdiction,
            change.at,
            actor.name,
            scope=scope,
            handling_class=handling_class,
            reminded=reminded,
        ):
            change.session.add(made)
    return change.ticket


async def classify(
    centre: Centre,
    ticket_id: str,
    version: int,
    actor: Actor,
    *,
    values: Mapping[str, str] | None = None,
    scope: str = "",
    handling_class: str = "",
    reminded: bool = False,
    why: str,
) -> Ticket:
    """Correct what an accepted ticket is about, before it is dispatched: fields, scope item, handling class.

    Raises as `accept_draft`; Missing without a reason.
    """
    checked = checked_values(dict(values or {}), centre.jurisdiction)
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("classify").rule(centre.jurisdiction.prefix)
        why = given.text("why", why, rule=rule, what="更正的理由")
        ticket = change.ticket
        change.begin()
        write_values(change.session, ticket, checked, actor)
        before = f"{ticket.intent} {ticket.urgency} {ticket.handling_class} {ticket.matter} {ticket.scope}"
        if reminded and not ticket.truth_reminded_at:
            ticket.truth_reminded_at = change.at
        copy_fields(ticket, centre.jurisdiction, change.at)
        must_be_reminded(ticket, centre.jurisdiction, ticket.intent, change.at)
        set_classes(ticket, centre.jurisdiction, scope=scope, handling_class=handling_class)
        after = f"{ticket.intent} {ticket.urgency} {ticket.handling_class} {ticket.matter} {ticket.scope}"
        # What the host agreed to was another opinion.
        ticket.pre_reviewed_at = None
        change.record("classify", name="classes", before=before, after=after, why=why, rule=rule)
    return change.ticket


async def refuse(
    centre: Centre,
    ticket_id: str,
    version: int,
    actor: Actor,
    *,
    ground: str,
    notice: str = "",
    basis: str = "",
    why: str = "",
) -> Ticket:
    """Refuse a matter on one of the law's grounds, and tell the caller. `notice`: what they were told; "": the
    jurisdiction's own words. `basis`: the legal basis; "": the ground's own words.

    Raises as `changing`; Missing, BadValue: no such ground, or one that is not meant for this intent; Undecided while
    other callers' tickets are part of it.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        change.may("refuse")
        _copy_if_draft(change)
        ticket, law = change.ticket, change.law
        grounds = {one.id: one for one in law.refusal_grounds}
        first = law.refusal_grounds[0].rule if grounds else ticket_step("refuse").rule(centre.jurisdiction.prefix)
        if not grounds:
            raise Silent(f"{centre.jurisdiction.document}没有规定不予受理的情形，只能受理或引导", rule=first)
        chosen = grounds[given.one_of("ground", ground, grounds, rule=first, what="不予受理的情形")]
        if not chosen.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency):
            intent = centre.jurisdiction.name_of("intent", ticket.intent) or "没有写明类型的诉求"
            raise BadValue(
                f"“{chosen.text}”不适用于{intent}；求助等不在其中的，请引导转出", rule=chosen.rule, field="ground"
            )
        told = given.text(
            "notice",
            notice or (law.refusal.notice if law.refusal else ""),
            rule=law.refusal.rule if law.refusal else first,
            what="告知诉求人的内容",
        )
        basis = given.text(
            "basis",
            basis or chosen.text,
            rule=law.refusal.rule if law.refusal else first,
            what="依据",
        )
        why = given.text("why", why, rule=first, what="说明", required=False)
        ticket.ground = chosen.id
        await _nobody_waits_for_it(change, chosen.rule)
        limits.cancel_all(change, None, "不予受理")
        change.transition("refuse", rule=chosen.rule, why=f"{chosen.article} {basis}" + (f"；{why}" if why else ""))
        change.record("notice", name="notice", after=told, rule=law.refusal.rule if law.refusal else chosen.rule)
        _take_off_the_list(change)
    return change.ticket


async def answer_on_the_spot(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, answer: str, scope: str = ""
) -> Ticket:
    """Close a matter that was answered while the caller was on the line.

    Raises as `changing`; Missing without the answer; IllegalTransition for an intent that only a unit may answer;
    BadField when no item of the scope fits; Undecided while other callers' tickets are part of it.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        rule = change.may("answer").rule(centre.jurisdiction.prefix)
        _copy_if_draft(change)
        ticket = change.ticket
        at_once = change.law.answered_at_once
        if at_once and ticket.intent and ticket.intent not in at_once.intents:
            can = "、".join(centre.jurisdiction.name_of("intent", one) for one in at_once.intents)
            raise IllegalTransition(
                f"只有{can}可以当场答复办结，{centre.jurisdiction.name_of('intent', ticket.intent)}要转承办单位",
                rule=at_once.rule,
                field="intent",
            )
        answer = given.text("answer", answer, rule=at_once.rule if at_once else rule, what="答复内容")
        if not ticket.scope or scope:
            set_classes(ticket, centre.jurisdiction, scope=scope, handling_class="")
        ticket.accepted_at = ticket.accepted_at or change.at
        ticket.accepted_by = ticket.accepted_by or actor.name
        ticket.completed_at = change.at
        await _nobody_waits_for_it(change, rule)
        change.transition("answer", rule=at_once.rule if at_once else "", why="当场答复")
        change.record("answered", name="answer", after=answer, rule=at_once.rule if at_once else rule)
        _take_off_the_list(change)
    return change.ticket


async def refer(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, to: str, note: str, line_number: str = ""
) -> Ticket:
    """Refer a matter: `to` is a code of the law's referrals (directory: 114; out_of_area) or "discipline".

    `note`: what the caller was told or given. A discipline matter is seen by its unit alone from now on, and is on
    that unit's work list until somebody there confirms that it was received.
    Raises as `changing`; BadValue, Missing, IllegalTransition where the document refuses such matters instead;
    Undecided while other callers' tickets are part of it.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        default_rule = change.may("refer").rule(centre.jurisdiction.prefix)
        _copy_if_draft(change)
        ticket, law = change.ticket, change.law
        known: dict[str, Referral] = {one.code: one for one in law.referrals}
        codes = [*known, *([DISCIPLINE] if law.discipline else [])]
        if to == DISCIPLINE and law.discipline:
            rule = law.discipline.rule
            if law.discipline.action == "refuse" or law.discipline.unit is None:
                ground = law.discipline.ground or "依规定"
                raise IllegalTransition(
                    f"{centre.jurisdiction.document}规定党员干部违纪事项不予受理（{ground}），不转出",
                    rule=rule,
                    field="to",
                )
            ticket.restricted_to = law.discipline.unit
            where = centre.jurisdiction.name_of("functional_unit", law.discipline.unit)
        else:
            chosen = known[given.one_of("to", to, codes, rule=default_rule, what="去向")]
            rule = chosen.rule
            if not chosen.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency):
                intent = centre.jurisdiction.name_of("intent", ticket.intent) or "没有写明类型的诉求"
                raise BadValue(f"“{chosen.text}”不适用于{intent}", rule=rule, field="to")
            where = line_number or chosen.line or ""
            _known_line(centre.jurisdiction, where, rule)
        note = given.text("note", note, rule=rule, what="告知诉求人的内容")
        ticket.ground = to
        await _nobody_waits_for_it(change, rule)
        limits.cancel_all(change, None, "已转出")
        change.transition("refer", rule=rule, why=f"{where} {note}".strip())
        _take_off_the_list(change)
        if to == DISCIPLINE:
            await _give_to_discipline(change, ticket.restricted_to, rule)
    return change.ticket


async def guide(centre: Centre, ticket_id: str, lines: Sequence[str], actor: Actor, *, note: str = "") -> Ticket:
    """A call for rescue: the caller was told the lines and connected to them (指引类).

    It comes from the middle of a call, so it needs no version; lines may be added later. A ticket that is with a
    unit already, or of which others are part, stays where it is, and the lines are noted in its history.
    Raises as `changing`; BadValue, Missing for the lines.
    """
    async with changing(centre, ticket_id, None, actor) as change:
        law = change.law.guide
        rule = law.rule if law else ticket_step("guide").rule(centre.jurisdiction.prefix)
        numbers = list(dict.fromkeys(lines))
        if not numbers:
            raise Missing("请写明接通的专线", rule=rule, field="lines")
        for number in numbers:
            _known_line(centre.jurisdiction, number, rule)
        note = given.text("note", note, rule=rule, what="说明", required=False)
        ticket = change.ticket
        step = ticket_step("guide")
        others_wait = bool(await parts_of(change.session, ticket.id))
        if change.role in step.roles and (ticket.state not in step.sources or others_wait):
            change.record("guide", name="lines", after=" ".join(numbers), why=note, rule=rule)
            return ticket
        change.may("guide", rule=rule)
        _copy_if_draft(change)
        if any(one.id == "guide" for one in centre.jurisdiction.urgencies):
            ticket.urgency = "guide"
        before = ticket.ground.split() if ticket.state == "referred" else []
        ticket.ground = " ".join(dict.fromkeys([*before, *numbers]))
        limits.cancel_all(change, None, "指引类")
        change.transition("guide", rule=rule, why=f"专线 {' '.join(numbers)} {note}".strip())
    return change.ticket


async def submit_for_pre_review(centre: Centre, ticket_id: str, version: int, actor: Actor, *, opinion: str) -> Ticket:
    """Put a first opinion on an accepted ticket before the host (YL-14(2)).

    Raises as `changing`; Silent where the document has no such step for this ticket; Missing without an opinion.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        change.may("submit_for_pre_review")
        if not needs_pre_review(change):
            raise Silent(f"{centre.jurisdiction.document}没有要求这类工单预审，可以直接派单", rule="YL-14(2)")
        opinion = given.text("opinion", opinion, rule="YL-14(2)", what="初步意见")
        change.transition("submit_for_pre_review", why=opinion)
    return change.ticket


async def decide_first_opinion(
    centre: Centre, ticket_id: str, version: int, actor: Actor, *, agreed: bool, why: str = ""
) -> Ticket:
    """Agree to the first opinion, so that the ticket may be dispatched, or not (with the reason).

    Raises as `changing`; NotAllowed for anybody but the reviewer; Missing without a reason for a no.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        action = "approve_first_opinion" if agreed else "reject_first_opinion"
        change.may(action)
        if change.law.pre_review:
            change.must_be(change.law.pre_review.reviewer, "预审", rule=change.law.pre_review.rule)
        why = given.text("why", why, rule="YL-14(2)", what="理由", required=not agreed)
        change.ticket.pre_reviewed_at = change.at if agreed else None
        change.transition(action, to="returned" if change.ticket.rounds else "accepted", why=why)
    return change.ticket


async def note_external_id(centre: Centre, ticket_id: str, version: int, actor: Actor, external_id: str) -> Ticket:
    """Write down the ticket's id on the platform above, with which it is exchanged (YZ-6(8)).

    Raises as `changing`; Missing, BadValue.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        change.may("note_external_id")
        external_id = given.text("external_id", external_id, rule="YZ-6(8)", what="上级平台编号", limit=100)
        await _must_be_free(change.session, external_id)
        before, change.ticket.external_id = change.ticket.external_id, external_id
        change.begin()
        await _flush(change.session, external_id)
        change.record("note_external_id", name="external_id", before=before, after=external_id, rule="YZ-6(8)")
    return change.ticket


def needs_pre_review(change: Change) -> bool:
    """Whether a first opinion has to be reviewed before this ticket is dispatched."""
    rule, ticket = change.law.pre_review, change.ticket
    return bool(rule and rule.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency))


async def _nobody_waits_for_it(change: Change, rule: str) -> None:
    """Whoever told the same matter is part of this ticket, and would never hear of a decision about it alone."""
    if parts := await parts_of(change.session, change.ticket.id):
        raise Undecided(
            f"还有并入的工单：{'、'.join(part.serial for part in parts)}；请先取消并入，逐一决定并告知",
            rule=rule,
            field="parts",
        )


async def _give_to_discipline(change: Change, unit: str, rule: str) -> None:
    task = Task(
        ticket_id=change.ticket.id,
        unit=unit,
        role=LEAD,
        state="dispatched",
        round=change.ticket.rounds,
        dispatched_at=change.at,
        dispatched_by=change.actor.name,
        return_locked=True,
    )
    change.session.add(task)
    await change.session.flush()
    change.tasks.append(task)
    change.record("task_given", name=f"task {unit}", after=LEAD, rule=rule)
    text = f"工单 {change.ticket.serial}：转交违纪违规问题，请查收并签收"
    subject = f"discipline:{change.ticket.id}"
    await say(change.session, [Said(subject, unit, "discipline", text, rule, change.ticket.id)], change.at)


def _copy_if_draft(change: Change) -> None:
    """What is decided about a draft is decided about what stands in its fields."""
    if change.ticket.state == "draft":
        copy_fields(change.ticket, change.jurisdiction, change.at)


def _known_line(jurisdiction: Jurisdiction, number: str, rule: str) -> None:
    known = {one.number for one in jurisdiction.lines}
    if number and number not in known:
        raise BadValue(
            f"没有“{number[:20]}”这条专线（有：{'、'.join(one.number for one in jurisdiction.lines)}）",
            rule=rule,
            field="lines",
        )


async def _must_be_free(session: AsyncSession, external_id: str) -> None:
    """One ticket of the platform above is one ticket here: what is sent twice is told where it is."""
    if not external_id:
        return
    serial = await session.scalar(select(Ticket.serial).where(Ticket.external_id == external_id))
    if serial is not None:
        raise _taken(external_id, f"（工单 {serial}）")


async def _flush(session: AsyncSession, external_id: str) -> None:
    """Write; somebody else may have written the same id in the meantime."""
    try:
        await session.flush()
    except IntegrityError as problem:
        if not external_id:
            raise
        raise _taken(external_id, "") from problem


def _taken(external_id: str, where: str) -> BadValue:
    return BadValue(f"上级平台编号“{external_id}”已经登记过{where}", rule="YZ-6(8)", field="external_id")


def _take_off_the_list(change: Change) -> None:
    if change.ticket.attention:
        change.record("attention", before=change.ticket.attention, why="工单已处理")
        change.ticket.attention = ""
