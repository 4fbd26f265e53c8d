"""What the citizen thinks of it (满意度评价): five levels, for the agent and for the result.

A rating of the result belongs to a round: the first completion is round 1, that after a redo round 2. The first one
may send the ticket back by itself, where the document says so (TP-22); the last one counts (TP-24). Excluded ratings
leave the 实际参评满意率 only (routing.statistics.figures), and only where the unit's reply proves the reason (QH-3c).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import select

from routing.centre import Centre
from routing.history import set_attention
from routing.law.provisions import Satisfaction
from routing.life import given
from routing.life.changing import THE_MACHINE, Change
from routing.life.errors import BadValue, IllegalTransition, Missing, NotAllowed, Silent, TooMany
from routing.life.parts import opened
from routing.life.redo import order_within
from routing.life.states import STATE_NAMES, ticket_step
from routing.life.tables import Rating, Submission
from routing.storage import Ticket
from routing.tickets import Actor

AGENT, RESULT = "agent", "result"

CITIZEN = "citizen"
"""Who wrote a rating down that the citizen gave by a key, a message or a page."""

_RATED = ("reviewed", "called_back", "mediation_ended", "archived")
"""States in which there is a result to be rated."""

_SHORTEST_EVIDENCE = 4
"""Fewer characters are in any reply and prove nothing."""

_OBJECTS = {AGENT: "话务服务", RESULT: "办理情况"}


@dataclass(frozen=True)
class Given:
    """One rating as it was given. `reason`: of the law's reasons, asked for when dissatisfied; `exclusion`: its code,
    with the words of the reply that prove it.
    """

    about: str
    level: str
    reason: str = ""
    exclusion: str = ""
    evidence: str = ""


async def rate(
    centre: Centre, ticket_id: str, version: int | None, actor: Actor, what: Given, *, by_citizen: bool = False
) -> Ticket:
    """Write one rating down. A first rating that the document names sends the ticket back to be redone, once.

    `by_citizen`: the citizen gave it directly; then the machine may be the actor. Raises Silent, BadValue (no such
    level, reason, exclusion; evidence that the reply does not hold), Missing, IllegalTransition before there is a
    result, TooMany for a second rating of the same round, NotAllowed, NoSuchTicket, TicketChanged.
    """
    async with opened(centre, ticket_id, version, actor) as (part, whole):
        await write(part, whole, what, by=CITIZEN if by_citizen else actor.name)
        if redo_follows(whole, what):
            await redo_by_rating(whole, what)
    return part.ticket


async def write(part: Change, whole: Change, what: Given, *, by: str) -> Rating:
    """Check a rating by the ticket's caller (`part`; the same as `whole` unless it was merged) and keep it."""
    provision = scale(whole)
    rule = provision.rule
    about = given.one_of("about", what.about, provision.objects, rule=rule, what="评价的对象")
    level = given.one_of("level", what.level, provision.levels, rule=rule, what="满意度等级")
    step = ticket_step("rate")
    if whole.role not in step.roles:
        raise NotAllowed("评价由诉求人作出，由指挥中心登记，承办单位不能登记", rule=rule, field="role")
    if about == RESULT and whole.ticket.state not in _RATED:
        raise IllegalTransition(
            f"工单 {whole.ticket.serial} 现在是“{STATE_NAMES[whole.ticket.state]}”，办结并复核后才能评价办理情况",
            rule=rule,
        )
    round_of = round_now(whole) if about == RESULT else 1
    there = await part.session.scalar(
        select(Rating.id).where(Rating.ticket_id == part.ticket.id, Rating.object == about, Rating.round == round_of)
    )
    if there is not None:
        raise TooMany(f"这次{_OBJECTS[about]}已经评价过，不能再评", rule=rule)
    reason = _reason(provision, what, about)
    exclusion, evidence = await _exclusion(provision, what, whole)
    made = Rating(
        ticket_id=part.ticket.id,
        round=round_of,
        object=about,
        level=level,
        reason=reason,
        at=part.at,
        by=by,
        exclusion=exclusion,
        evidence=evidence,
    )
    part.session.add(made)
    if part is not whole:
        # Statistics of a unit find a merged caller's rating by the unit that handled the matter.
        part.ticket.lead_unit = whole.ticket.lead_unit
    if about == RESULT and round_of == 1 and whole.ticket.state == "archived" and level in _sends_back(whole):
        # Nothing is sent back out of the archive by itself; a person decides.
        part.begin()
        part.session.add(set_attention(part.ticket, "rated_after_archive", part.at, part.actor.name, rule=rule))
    part.record("rate", name=about, after=level, why="；".join(one for one in (reason, exclusion) if one), rule=rule)
    return made


def redo_follows(change: Change, what: Given) -> bool:
    """Whether this rating sends the ticket back by itself: a first one, at a level that the document names (TP-22)."""
    if what.about != RESULT or what.level not in _sends_back(change):
        return False
    return change.ticket.redos == 0 and change.ticket.state in ("reviewed", "called_back")


async def redo_by_rating(change: Change, what: Given) -> None:
    """Send it back: the document leaves no choice, so the machine acts."""
    change.begin()  # the copy goes on with the same version
    await order_within(replace(change, actor=THE_MACHINE), why=f"首次评价为{what.level}")


def _sends_back(change: Change) -> tuple[str, ...]:
    provision = change.law.redo
    return provision.after_ratings if provision else ()


def round_now(change: Change) -> int:
    """The round of the result that is there now: 1 after the first completion."""
    return change.ticket.redos + 1


def scale(change: Change) -> Satisfaction:
    """The scale that holds. Raises Silent."""
    found = change.law.satisfaction
    if found is None:
        raise Silent(f"{change.jurisdiction.name}的规定没有满意度评价", rule="TP-21")
    return found


def _reason(provision: Satisfaction, what: Given, about: str) -> str:
    bad = what.level not in provision.satisfied
    if not what.reason:
        if bad and about == RESULT and provision.reasons:
            raise Missing(f"请问明不满意的原因（{'、'.join(provision.reasons)}）", rule=provision.rule, field="reason")
        return ""
    if not bad:
        raise BadValue("满意的评价没有不满意的原因", rule=provision.rule, field="reason")
    if provision.reasons:
        return given.one_of("reason", what.reason, provision.reasons, rule=provision.rule, what="不满意的原因")
    return given.text("reason", what.reason, rule=provision.rule, what="不满意的原因", limit=200)


async def _exclusion(provision: Satisfaction, what: Given, whole: Change) -> tuple[str, str]:
    if not what.exclusion:
        if what.evidence:
            raise Missing("写了佐证，请选定不纳入的情形", rule=provision.rule, field="exclusion")
        return "", ""
    codes = {one.code: one for one in provision.exclusions}
    if not codes:
        raise Silent(f"{whole.jurisdiction.name}的规定没有不纳入实际参评满意率的情形", rule="QH-3b")
    chosen = codes[given.one_of("exclusion", what.exclusion, codes, rule="QH-3b", what="不纳入的情形")]
    if what.about != RESULT:
        raise BadValue("只有办理情况的评价可以不纳入实际参评满意率", rule=chosen.rule, field="exclusion")
    evidence = given.text("evidence", what.evidence, rule="QH-3c", what="答复意见中的依据、佐证")
    if len(_plain(evidence)) < _SHORTEST_EVIDENCE or _plain(evidence) not in await _reply(whole):
        raise BadValue("答复意见里没有这段依据；不纳入的依据、佐证必须体现在答复意见中", rule="QH-3c", field="evidence")
    return chosen.code, evidence


async def _reply(whole: Change) -> str:
    """All that the unit replied in the result that the centre passed."""
    passed = await whole.session.scalar(
        select(Submission)
        .where(Submission.ticket_id == whole.ticket.id, Submission.decision == "passed")
        .order_by(Submission.id.desc())
        .limit(1)
    )
    return _plain("\n".join(str(value) for value in passed.form.values())) if passed else ""


def _plain(text: str) -> str:
    return "".join(text.split())
