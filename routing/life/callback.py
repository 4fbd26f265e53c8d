"""Calling the citizen back (回访): who is to be called, when, how often, and what follows from what they say.

Everybody who told the matter is called, also those whose tickets were merged; not whoever stayed anonymous (S17). A
caller is done with when reached, or when the attempts that the document asks for were made, at different hours (S15).
When all are done the ticket is called back. Whoever says that it is not solved sends it back to the unit (YZ-20).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.history import set_attention
from routing.law.provisions import Amount, CallbackPolicy
from routing.life import given, limits
from routing.life.changing import Change, check_actor
from routing.life.errors import IllegalTransition, Missing, NotAllowed
from routing.life.parts import opened, parts_of, parts_of_all
from routing.life.rating import Given, redo_by_rating, redo_follows, round_now, write
from routing.life.redo import CALLBACK_UNSOLVED, send_back_within, unsolved_limit
from routing.life.redo import SOLVED as NOT_SOLVED
from routing.life.states import CENTRE, DECIDES, role_of
from routing.life.tables import Callback, Clock, EscalationRecord
from routing.storage import Ticket, TicketChange
from routing.tickets import Actor

OUTCOMES = {"reached": "已接通", "not_reached": "未接通", "refused": "拒绝回访", "message": "已留言或发送短信"}
SOLVED = {"solved": "已解决", "unsolved": "未解决", "untreated": "未处理"}

_ENDS = ("reached", "refused")
"""Outcomes after which the caller is not called again in this round."""

_CHANNEL = "telephone"

CONCLUDED = "conclude_callbacks"
"""Action of the history's line: a person closed the callbacks although it is not solved."""


@dataclass(frozen=True)
class Progress:
    """How far the calls to one caller are in one round. `hours`: hours of the day that were tried, local time."""

    made: int
    counted: int
    needed: int
    hours: tuple[int, ...]
    done: bool
    reached: bool


@dataclass(frozen=True)
class Due:
    """An entry of the work list. `ticket_id`: the caller's ticket; `whole_id`: the one that was handled.

    `now`: an attempt at this hour counts; `reason`: callback, second_rating_bad (the reasons are asked, TP-24), or
    unsolved: everybody was called, and whoever decides has to say whether it goes back to the unit.
    """

    ticket_id: str
    serial: str
    whole_id: str
    reason: str
    due_at: datetime | None
    progress: Progress
    now: bool
    identity_secret: bool


def progress(attempts: Sequence[Callback], policy: CallbackPolicy | None, zone: ZoneInfo) -> Progress:
    """What the attempts of one round amount to. Pure. Several within one hour of the day count once (S15)."""
    needed = policy.attempts if policy else 1
    hours = [one.at.astimezone(zone).hour for one in attempts]
    apart = policy.different_hours if policy else False
    counted = len(set(hours)) if apart else len(hours)
    ended = any(one.outcome in _ENDS for one in attempts)
    return Progress(
        made=len(attempts),
        counted=counted,
        needed=needed,
        hours=tuple(sorted(set(hours))),
        done=ended or counted >= needed,
        reached=any(one.outcome == "reached" for one in attempts),
    )


async def worklist(centre: Centre, actor: Actor, *, limit: int = 100) -> list[Due]:
    """Who is to be called now, the most urgent first. Only the centre calls back. Raises NotAllowed."""
    check_actor(actor, centre.jurisdiction)
    policy = centre.jurisdiction.law_at(centre.now()).callback
    if role_of(actor.role) not in CENTRE:
        raise NotAllowed("回访由指挥中心办理", rule=policy.rule if policy else "YZ-8", field="role")
    async with centre.db.session() as session:
        found = await _to_be_called(session, centre, policy, limit)
        if len(found) < limit:
            found += await _to_be_asked(session, centre, limit - len(found))
    return found


async def record(
    centre: Centre,
    ticket_id: str,
    version: int,
    actor: Actor,
    *,
    outcome: str,
    solved: str = "",
    ratings: Sequence[Given] = (),
    within: Amount | None = None,
    channel: str = _CHANNEL,
    note: str = "",
) -> Ticket:
    """Write down one attempt, what the citizen said, and their ratings; then what follows happens at once.

    `ticket_id`: the caller's ticket (a merged one too); `within`: the limit for the unit when it is not solved, where
    the document leaves it to the centre (S6). Raises IllegalTransition before the result was reviewed, for an
    anonymous caller or one who is done with; Missing, BadValue, NotAllowed, NoSuchTicket, TicketChanged; and what a
    rating raises.
    """
    async with opened(centre, ticket_id, version, actor) as (part, whole):
        step = whole.may("call_back")
        rule = step.rule(centre.jurisdiction.prefix)
        policy = whole.law.callback
        _may_be_called(part, policy)
        given.one_of("outcome", outcome, OUTCOMES, rule=rule, what="回访的结果")
        text = given.text("note", note, rule=rule, what="回访记录", required=False)
        kept_channel = given.text("channel", channel, rule=rule, what="回访方式", limit=20)
        _check_solved(outcome, solved, rule)
        if ratings and outcome != "reached":
            raise Missing("没有接通，不会有评价；请核对回访的结果", rule=rule, field="outcome")
        made = await _attempts(part.session, part.ticket.id, round_now(whole))
        before = progress(made, policy, centre.jurisdiction.zone)
        if before.done and whole.ticket.state == "reviewed":
            raise IllegalTransition(f"工单 {part.ticket.serial} 的诉求人这一轮已回访", rule=rule)
        attempt = Callback(
            ticket_id=part.ticket.id,
            number=len(made) + 1,
            round=round_now(whole),
            at=part.at,
            by=actor.name,
            channel=kept_channel,
            outcome=outcome,
            solved=solved,
            note=text,
        )
        part.session.add(attempt)
        part.record("callback", name=f"attempt {attempt.number}", after=outcome, why=SOLVED.get(solved, ""), rule=rule)
        for one in ratings:
            await write(part, whole, one, by=actor.name)
        await _follow(part, whole, [*made, attempt], ratings, solved, within)
    return part.ticket


async def conclude(centre: Centre, ticket_id: str, version: int, actor: Actor, *, why: str) -> Ticket:
    """Close the callbacks although a citizen says that it is not solved: the unit has done what it can and may.

    A decision of a person, and never the first answer to an unsolved matter where the document sends it back (YZ-20).
    Raises Missing without a reason, IllegalTransition, NotAllowed, NoSuchTicket, TicketChanged.
    """
    async with opened(centre, ticket_id, version, actor) as (_, whole):
        step = whole.may("call_back")
        rule = step.rule(centre.jurisdiction.prefix)
        if whole.role not in DECIDES:
            raise NotAllowed("未解决的工单是否结束回访，由当班管理岗或中心管理办公室决定", rule=rule, field="role")
        reason = given.text("why", why, rule=rule, what="不再退回的理由")
        if not await _is_unsolved(whole):
            raise IllegalTransition(f"工单 {whole.ticket.serial} 没有回访未解决的记录", rule=rule)
        provision = unsolved_limit(whole)
        if provision is not None and whole.ticket.redos == 0:
            raise IllegalTransition(
                f"诉求人首次表示未解决的，要退回承办单位（{provision.article}）", rule=provision.rule
            )
        whole.record(CONCLUDED, name="callback", why=reason, rule=rule)
        if whole.ticket.attention == CALLBACK_UNSOLVED:
            whole.session.add(set_attention(whole.ticket, "", whole.at, actor.name, why=reason, rule=rule))
        if await _everybody_is_done(None, whole, whole.law.callback):
            _called_back(whole, reason)
    return whole.ticket


async def _follow(
    part: Change,
    whole: Change,
    attempts: Sequence[Callback],
    ratings: Sequence[Given],
    solved: str,
    within: Amount | None,
) -> None:
    """What the law ties to this attempt: back to the unit, redo, called back, or another attempt."""
    if solved == "solved":
        for task in whole.round_tasks:
            task.redos_in_a_row = 0
    bad = next((one for one in ratings if redo_follows(whole, one)), None)
    if solved in NOT_SOLVED and whole.ticket.state != "mediation_ended":
        if bad is not None:
            await redo_by_rating(whole, bad)
        else:
            await _send_back(part, whole, solved, within)
        return
    if bad is not None:
        await redo_by_rating(whole, bad)
        return
    policy, zone = whole.law.callback, whole.jurisdiction.zone
    if whole.ticket.called_back_at is not None or not progress(attempts, policy, zone).done:
        return
    if await _is_unsolved(whole) or not await _everybody_is_done(part, whole, policy):
        return
    reached = any(one.outcome == "reached" for one in attempts)
    _called_back(whole, "已回访" if reached else f"按规定拨打 {len(attempts)} 次，未能接通或不愿回访")


def _called_back(whole: Change, why: str) -> None:
    to = whole.ticket.state if whole.ticket.state == "mediation_ended" else "called_back"
    whole.transition("call_back", to=to, why=why)
    whole.ticket.called_back_at = whole.at
    limits.end(whole, limits.open_clock(whole, "callback"))


async def _send_back(part: Change, whole: Change, solved: str, within: Amount | None) -> None:
    """Back to the unit by whoever may set the limit; otherwise it is put before them."""
    if within is not None:
        await send_back_within(whole, solved=solved, limit=within, why=f"工单 {part.ticket.serial} 的诉求人回访时说")
    elif whole.ticket.attention != CALLBACK_UNSOLVED:
        whole.begin()
        why = f"诉求人表示{SOLVED[solved]}"
        whole.session.add(
            set_attention(whole.ticket, CALLBACK_UNSOLVED, whole.at, whole.actor.name, why=why, rule="YZ-20")
        )


async def _is_unsolved(whole: Change) -> bool:
    """Whether a citizen said in this round that it is not solved, and nobody has decided what follows.

    The list of those to look at is no memory of it: somebody may take a ticket off it and decide nothing.
    """
    if whole.ticket.state == "mediation_ended":
        return False
    if whole.ticket.attention == CALLBACK_UNSOLVED:
        return True
    return bool(await _undecided(whole.session, [whole.ticket]))


async def _everybody_is_done(part: Change | None, whole: Change, policy: CallbackPolicy | None) -> bool:
    """Whether all callers of the matter have been called, `part`'s counting as done; one caller's several tickets are
    one caller.
    """
    callers = [whole.ticket, *await parts_of(whole.session, whole.ticket.id)]
    done = {_caller(part.ticket)} if part is not None else set()
    for one in callers:
        if _caller(one) in done or (one.anonymous and not (policy and policy.anonymous)):
            continue
        made = await _attempts(whole.session, one.id, round_now(whole))
        if progress(made, policy, whole.jurisdiction.zone).done:
            done.add(_caller(one))
    return all(_caller(one) in done or one.anonymous for one in callers)


def _caller(ticket: Ticket) -> str:
    return ticket.caller_key or ticket.id


def _may_be_called(part: Change, policy: CallbackPolicy | None) -> None:
    if part.ticket.anonymous and not (policy and policy.anonymous):
        raise IllegalTransition(
            f"工单 {part.ticket.serial} 的诉求人匿名，不回访", rule=policy.rule if policy else "S17", field="ticket_id"
        )


def _check_solved(outcome: str, solved: str, rule: str) -> None:
    if outcome != "reached":
        if solved:
            raise Missing("没有接通，不知道是否解决；请核对回访的结果", rule=rule, field="outcome")
        return
    given.one_of("solved", solved, SOLVED, rule=rule, what="诉求人的说法：是否解决")


async def _attempts(session: AsyncSession, ticket_id: str, round_of: int) -> list[Callback]:
    query = select(Callback).where(Callback.ticket_id == ticket_id, Callback.round == round_of).order_by(Callback.id)
    return list(await session.scalars(query))


async def _to_be_called(session: AsyncSession, centre: Centre, policy: CallbackPolicy | None, limit: int) -> list[Due]:
    query = (
        select(Ticket, Clock.due_at)
        .outerjoin(Clock, (Clock.ticket_id == Ticket.id) & (Clock.kind == "callback") & Clock.state.in_(limits.OPEN))
        .where(
            Ticket.state.in_(("reviewed", "mediation_ended")),
            Ticket.called_back_at.is_(None),
            Ticket.jurisdiction == centre.jurisdiction.id,
        )
        .order_by(Clock.due_at.is_(None), Clock.due_at, Ticket.id)
        .limit(limit)
    )
    wholes = list(await session.execute(query))
    parts = await parts_of_all(session, [whole.id for whole, _ in wholes])
    callers = [(whole, caller, due) for whole, due in wholes for caller in [whole, *parts.get(whole.id, [])]]
    attempts = await _attempts_of(session, [caller.id for _, caller, _ in callers])
    zone = centre.jurisdiction.zone
    hour = centre.now().astimezone(zone).hour
    found: list[Due] = []
    undecided = await _undecided(session, [whole for whole, _ in wholes if _may_be_forgotten(whole)])
    finished: set[tuple[str, str]] = set()
    rows = []
    for whole, caller, due in callers:
        if caller.anonymous and not (policy and policy.anonymous):
            continue
        of_round = [one for one in attempts.get(caller.id, []) if one.round == whole.redos + 1]
        made = progress(of_round, policy, zone)
        if made.done:
            finished.add((whole.id, _caller(caller)))
        rows.append((whole, caller, due, made))
    for whole, caller, due, made in rows:
        if (whole.id, _caller(caller)) in finished:
            continue
        finished.add((whole.id, _caller(caller)))  # one caller is called once, however many tickets they have in it
        found.append(
            Due(
                ticket_id=caller.id,
                serial=caller.serial,
                whole_id=whole.id,
                reason="callback",
                due_at=due,
                progress=made,
                now=not (policy and policy.different_hours) or hour not in made.hours,
                identity_secret=caller.identity_secret,
            )
        )
    waiting = {one.whole_id for one in found}
    nobody = Progress(0, 0, 0, (), True, True)
    for whole, due in wholes:
        if whole.id in undecided and whole.id not in waiting:
            found.append(Due(whole.id, whole.serial, whole.id, "unsolved", due, nobody, False, whole.identity_secret))
    return found[:limit]


def _may_be_forgotten(whole: Ticket) -> bool:
    """Whether a ticket that is not solved could be on no list: it is not, or no more, on that of those to look at."""
    return whole.state == "reviewed" and whole.attention != CALLBACK_UNSOLVED


async def _undecided(session: AsyncSession, wholes: Sequence[Ticket]) -> set[str]:
    """Those about which a citizen said in this round that it is not solved, with nothing decided since."""
    ids = [whole.id for whole in wholes]
    parts = await parts_of_all(session, ids)
    whole_of = {caller.id: whole for whole in wholes for caller in [whole, *parts.get(whole.id, [])]}
    said = select(Callback.ticket_id, Callback.round, Callback.at).where(
        Callback.ticket_id.in_(whole_of), Callback.solved.in_(NOT_SOLVED)
    )
    concluded = (
        select(TicketChange.ticket_id, func.max(TicketChange.at))
        .where(TicketChange.ticket_id.in_(ids), TicketChange.action == CONCLUDED)
        .group_by(TicketChange.ticket_id)
    )
    decided: dict[str, datetime] = {row[0]: row[1] for row in await session.execute(concluded)}
    found = set()
    for ticket_id, round_of, at in await session.execute(said):
        whole = whole_of[ticket_id]
        if round_of == whole.redos + 1 and (whole.id not in decided or at > decided[whole.id]):
            found.add(whole.id)
    return found


async def _to_be_asked(session: AsyncSession, centre: Centre, limit: int) -> list[Due]:
    """Citizens whose second rating was bad: they are asked for the reasons, once (TP-24)."""
    later = select(Callback.id).where(
        Callback.ticket_id == EscalationRecord.ticket_id, Callback.at > EscalationRecord.at
    )
    query = (
        select(Ticket)
        .join(EscalationRecord, EscalationRecord.ticket_id == Ticket.id)
        .where(
            EscalationRecord.trigger == "second_rating_bad",
            EscalationRecord.state.in_(("proposed", "confirmed")),
            Ticket.jurisdiction == centre.jurisdiction.id,
            Ticket.anonymous.is_(False),
            Ticket.state == "called_back",
            ~later.exists(),
        )
        .order_by(EscalationRecord.id)
        .limit(limit)
    )
    nothing = Progress(0, 0, 1, (), False, False)
    return [
        Due(one.id, one.serial, one.id, "second_rating_bad", None, nothing, True, one.identity_secret)
        for one in await session.scalars(query)
    ]


async def _attempts_of(session: AsyncSession, tickets: Sequence[str]) -> dict[str, list[Callback]]:
    found: dict[str, list[Callback]] = {}
    query = select(Callback).where(Callback.ticket_id.in_(tickets)).order_by(Callback.id)
    for one in await session.scalars(query):
        found.setdefault(one.ticket_id, []).append(one)
    return found
