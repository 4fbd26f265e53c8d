"""People who do anything at any time: what must hold of every ticket holds after every step, allowed or refused."""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from routing.law.provisions import Amount
from routing.life import callback, dispatch, extending, handling, intake, redo, returning, reviewing, submitting
from routing.life.states import ticket_step
from routing.storage import Ticket
from routing.ticket_errors import TicketError
from routing.tickets import Actor
from tests.routing.life.conftest import (
    AGENT,
    CLERK,
    HEAD,
    LEADER,
    MANAGER,
    OFFICE,
    OTHER_CLERK,
    SOLVED,
    ZHIFA,
    ZHUJIAN,
    Office,
)
from tests.routing.life.reading import clocks_of, everything_of, history_of, tasks_of

ATTEMPTS = 45
HOURS = Amount(value=24, unit="hour")
FINDINGS = ("诉求合理且没有得到有效解决", "属于平台成员单位责任")
OTHER_LEADER = Actor("冯副局长", "unit_leader", ZHIFA)
OTHER_HEAD = Actor("褚局长", "unit_head", ZHIFA)

Act = Callable[[Office, Ticket, random.Random], Awaitable[Ticket]]


def _unit(dice: random.Random) -> str:
    return dice.choice((ZHUJIAN, ZHUJIAN, ZHIFA))


def _clerk(dice: random.Random) -> Actor:
    return dice.choice((CLERK, CLERK, OTHER_CLERK))


ACTS: dict[str, Act] = {
    "dispatch": lambda o, t, d: dispatch.dispatch(o.centre, t.id, t.version, AGENT, lead=_unit(d)),
    "dispatch_two": lambda o, t, d: dispatch.dispatch(
        o.centre, t.id, t.version, AGENT, lead=ZHUJIAN, assisting=(ZHIFA,)
    ),
    "redispatch": lambda o, t, d: dispatch.redispatch(
        o.centre, t.id, t.version, AGENT, lead=_unit(d), verifies=d.random() < 0.5
    ),
    "add": lambda o, t, d: dispatch.add_assisting(o.centre, t.id, t.version, AGENT, unit=_unit(d)),
    "contact": lambda o, t, d: handling.report_contact(o.centre, t.id, t.version, _clerk(d), note="已联系"),
    "sign": lambda o, t, d: handling.sign(o.centre, t.id, t.version, _clerk(d)),
    "return": lambda o, t, d: returning.return_task(o.centre, t.id, t.version, _clerk(d), reason="不属于本单位"),
    "accept_return": lambda o, t, d: returning.review_return(
        o.centre, t.id, t.version, OFFICE, unit=_unit(d), accepted=True
    ),
    "reject_return": lambda o, t, d: returning.review_return(
        o.centre, t.id, t.version, OFFICE, unit=_unit(d), accepted=False, why="属于该单位"
    ),
    "take_back": lambda o, t, d: returning.take_back(o.centre, t.id, t.version, MANAGER, why="派错了"),
    "take_off": lambda o, t, d: returning.withdraw_assisting(
        o.centre, t.id, t.version, MANAGER, unit=ZHIFA, why="不需要"
    ),
    "ask": lambda o, t, d: extending.ask_extension(o.centre, t.id, t.version, _clerk(d), amount=HOURS, reason="等配件"),
    "grant": lambda o, t, d: extending.decide_extension(o.centre, t.id, t.version, OFFICE, granted=True),
    "submit": lambda o, t, d: submitting.submit_result(
        o.centre, t.id, t.version, CLERK, form=SOLVED["complaint"] if d.random() < 0.8 else {"result": "已办"}
    ),
    "submit_other": lambda o, t, d: submitting.submit_result(
        o.centre, t.id, t.version, OTHER_CLERK, form=SOLVED["complaint"] if d.random() < 0.4 else {"result": "已办"}
    ),
    "approve": lambda o, t, d: submitting.approve(
        o.centre, t.id, t.version, d.choice((LEADER, HEAD, OTHER_LEADER, OTHER_HEAD))
    ),
    "disapprove": lambda o, t, d: submitting.disapprove(o.centre, t.id, t.version, LEADER, why="重写"),
    "pass": lambda o, t, d: reviewing.review_result(o.centre, t.id, t.version, OFFICE, passed=True),
    "reject": lambda o, t, d: reviewing.review_result(o.centre, t.id, t.version, OFFICE, passed=False, why="不清楚"),
    "redo": lambda o, t, d: redo.order_redo(o.centre, t.id, t.version, OFFICE, findings=FINDINGS, why="没有修好"),
    "send_back": lambda o, t, d: redo.send_back(o.centre, t.id, t.version, OFFICE, solved="unsolved", limit=HOURS),
    "call_back": lambda o, t, d: callback.record(o.centre, t.id, t.version, AGENT, outcome="reached", solved="solved"),
    "guide": lambda o, t, d: intake.guide(o.centre, t.id, ["120"], AGENT),
    "refuse": lambda o, t, d: intake.refuse(o.centre, t.id, t.version, AGENT, ground="YZ-12-6"),
    "end_mediation": lambda o, t, d: reviewing.end_mediation(o.centre, t.id, t.version, MANAGER, why="不愿再调解"),
    "archive": lambda o, t, d: reviewing.archive(o.centre, t.id, t.version, AGENT),
}
ROW = {
    "dispatch_two": "dispatch",
    "add": "add_assisting",
    "contact": "report_contact",
    "take_off": "withdraw_assisting",
    "ask": "ask_extension",
    "grant": "grant_extension",
    "submit_other": "submit",
    "redo": "order_redo",
}
"""The row of the table that an act takes, where its name is another."""
RARE = ("refuse", "end_mediation", "take_back", "guide", "reject_return")


@pytest.mark.parametrize("handling_class", ["urban_management", "non_urban_management"])
@pytest.mark.parametrize("seed", range(3))
async def test_what_must_hold_holds_after_every_step(seed: int, handling_class: str, office: Office) -> None:
    dice = random.Random(f"{handling_class}{seed}")
    usual = [name for name in ACTS if name not in RARE]
    ticket = await office.accepted(handling_class)
    done = 0
    for _ in range(ATTEMPTS):
        office.clock.forward(minutes=dice.choice((0, 0, 1, 5, 30, 200)))
        before = await everything_of(office.centre.db, ticket.id)
        seen = await office.ticket(ticket.id)
        name = dice.choice(RARE if done > 8 and dice.random() < 0.06 else usual)
        while dice.random() < 0.7 and seen.state not in ticket_step(ROW.get(name, name)).sources:
            name = dice.choice(usual)
        try:
            await ACTS[name](office, seen, dice)
        except TicketError as refused:
            assert refused.code and str(refused), name
            assert await everything_of(office.centre.db, ticket.id) == before, name
            continue
        done += 1
        ticket = await office.ticket(ticket.id)
        assert ticket.version == seen.version + 1, name
        if name == "grant":
            assert seen.due_at is not None and ticket.due_at is not None and ticket.due_at >= seen.due_at
        await _must_hold(office, ticket)
    assert done >= 6


async def _must_hold(office: Office, ticket: Ticket) -> None:
    lines = await history_of(office.centre.db, ticket.id)
    versions = [line.version for line in lines]
    assert versions == sorted(versions) and versions[-1] == ticket.version
    moves = [line for line in lines if line.field == "state"]
    assert moves[-1].after == ticket.state
    for earlier, later in itertools.pairwise(moves):
        assert earlier.after == later.before
    for move in moves:
        step = ticket_step(move.action)
        assert move.before in step.sources and move.after in step.to and move.before not in step.stays

    tasks = await tasks_of(office.centre.db, ticket.id)
    clocks = await clocks_of(office.centre.db, ticket.id)
    alive = [one for one in tasks if one.state not in ("returned", "withdrawn")]
    assert all(one.round == ticket.rounds for one in alive if one.state != "completed")
    leads = [one for one in alive if one.role == "lead" and one.round == ticket.rounds]
    if ticket.state in ("dispatched", "in_hand", "returning", "under_review", "reviewed", "redo", "called_back"):
        assert [one.unit for one in leads] == [ticket.lead_unit]
    open_ones = [one for one in clocks if one.state in ("running", "breached")]
    limiting = [one for one in open_ones if one.kind in ("complete", "redo")]
    if ticket.state in ("dispatched", "in_hand", "returning", "redo"):
        assert len(limiting) == 1 and limiting[0].due_at == ticket.due_at
        assert {one.due_at for one in alive if one.round == ticket.rounds} == {ticket.due_at}
    else:
        assert limiting == []
    if ticket.state in ("archived", "mediation_ended", "refused"):
        assert [one.kind for one in open_ones if one.kind != "citizen"] == []
    if ticket.state in ("archived",):
        mediated = any(move.after == "mediation_ended" for move in moves)
        assert ticket.called_back_at and (mediated or (ticket.completed_at and ticket.reviewed_at))
    if ticket.state in ("reviewed", "called_back"):
        assert ticket.completed_at and ticket.late is not None
    assert len([one for one in clocks if one.kind == "citizen"]) == (1 if ticket.rounds else 0)
    assert ticket.extensions <= 2
    assert all(
        one.due_at - one.started_at >= timedelta(0) and (one.next_look_at is None or one in open_ones) for one in clocks
    )
