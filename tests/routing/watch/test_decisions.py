"""Proposals are decided by people of the centre, once, with a name and a reason (YZ-22, YZ-37, invariant 18)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction
from routing.life.errors import BadValue, IllegalTransition, Missing, NotAllowed
from routing.life.tables import EscalationRecord, ViolationRecord
from routing.storage import Database, Ticket, TicketChange
from routing.tickets import Actor, NoSuchTicket, TicketChanged
from routing.watch import decisions
from routing.watch.findings import look_at_events
from routing.watch.inbox import inbox
from routing.watch.rounds import look_at_clocks
from tests.routing.watch.lives import DAY, HOUR, Life, Time, centre_of, write

START = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
UNIT = "yz.zhifa"
OFFICE = Actor("主任", "center_office")


@pytest.fixture
def time() -> Time:
    return Time(START)


@pytest.fixture
def centre(database: Database, yazhou: Jurisdiction, time: Time) -> Centre:
    return centre_of(database, yazhou, time)


async def _overdue(centre: Centre, time: Time) -> tuple[Ticket, EscalationRecord]:
    ticket = await write(centre.db, Life(START, UNIT, clocks={"complete": (START, HOUR)}))
    time.pass_(DAY)
    await look_at_clocks(centre)
    [proposal] = await decisions.proposals(centre)
    return ticket, proposal


async def test_nothing_is_supervised_before_a_person_confirms(centre: Centre, time: Time) -> None:
    ticket, proposal = await _overdue(centre, time)
    async with centre.db.session() as session:
        assert not (await session.get_one(Ticket, ticket.id)).supervised
    done = await decisions.confirm_escalation(centre, proposal.id, ticket.version, OFFICE, why="群众反映强烈")
    assert (done.supervised, done.version) == (True, ticket.version + 1)
    assert await decisions.proposals(centre) == []
    assert "督办" in " ".join(notice.text for notice in await inbox(centre, UNIT))
    async with centre.db.session() as session:
        record = await session.get_one(EscalationRecord, proposal.id)
        assert (record.state, record.decided_by, record.decided_at) == ("confirmed", "主任", time.at)
        lines = (await session.scalars(select(TicketChange).where(TicketChange.version == done.version))).all()
    assert {(line.action, line.actor, line.rule) for line in lines} >= {
        ("supervise", "主任", "YZ-22"),
        ("submit_to_leadership", "主任", "YZ-22"),
    }


async def test_a_dismissal_says_why(centre: Centre, time: Time) -> None:
    ticket, proposal = await _overdue(centre, time)
    with pytest.raises(Missing):
        await decisions.dismiss_escalation(centre, proposal.id, ticket.version, OFFICE, why=" ")
    await decisions.dismiss_escalation(centre, proposal.id, ticket.version, OFFICE, why="当日已办结")
    with pytest.raises(decisions.AlreadyDecided):
        await decisions.confirm_escalation(centre, proposal.id, None, OFFICE)
    async with centre.db.session() as session:
        assert not (await session.get_one(Ticket, ticket.id)).supervised


@pytest.mark.parametrize(
    "actor",
    [
        Actor("坐席", "agent"),
        Actor("采编员", "unit_clerk", UNIT),
        Actor("冒充", "center_office", UNIT),
        Actor("审计", "auditor"),
        Actor("machine", "machine"),
        Actor("某人", "mayor"),
    ],
    ids=lambda actor: f"{actor.role}{actor.unit and '-unit'}",
)
async def test_others_do_not_decide(centre: Centre, time: Time, actor: Actor) -> None:
    ticket, proposal = await _overdue(centre, time)
    with pytest.raises(NotAllowed):
        await decisions.confirm_escalation(centre, proposal.id, ticket.version, actor)
    assert [one.state for one in await decisions.proposals(centre)] == ["proposed"]


async def test_who_has_seen_an_older_ticket_is_told(centre: Centre, time: Time) -> None:
    ticket, proposal = await _overdue(centre, time)
    with pytest.raises(TicketChanged):
        await decisions.confirm_escalation(centre, proposal.id, ticket.version - 1, OFFICE)


async def test_of_two_who_decide_at_once_one_wins(centre: Centre, time: Time) -> None:
    ticket, proposal = await _overdue(centre, time)
    done = await asyncio.gather(
        decisions.confirm_escalation(centre, proposal.id, ticket.version, OFFICE),
        decisions.dismiss_escalation(centre, proposal.id, ticket.version, Actor("值班长", "shift_manager"), why="误报"),
        return_exceptions=True,
    )
    assert sorted(isinstance(one, Ticket) for one in done) == [False, True]
    assert any(isinstance(one, TicketChanged | decisions.AlreadyDecided) for one in done)


async def test_an_archived_ticket_is_not_supervised(centre: Centre, time: Time) -> None:
    ticket, proposal = await _overdue(centre, time)
    async with centre.db.begin() as session:
        kept = await session.get_one(Ticket, ticket.id)
        kept.state, kept.version = "archived", kept.version + 1
    with pytest.raises(IllegalTransition):
        await decisions.confirm_escalation(centre, proposal.id, None, OFFICE)


async def test_a_proposal_that_is_not_there(centre: Centre) -> None:
    with pytest.raises(decisions.NoSuchProposal):
        await decisions.confirm_escalation(centre, 4711, None, OFFICE)
    with pytest.raises(decisions.NoSuchProposal):
        await decisions.decide_violation(centre, 4711, OFFICE, confirmed=True)


async def _proposed_violation(centre: Centre) -> ViolationRecord:
    ticket = await write(centre.db, Life(START, UNIT))
    async with centre.db.begin() as session:
        session.add(
            ViolationRecord(
                unit=UNIT,
                violation="V1",
                occasion="task:1",
                ticket_id=ticket.id,
                rule="YZ-37",
                facts=f"工单 {ticket.serial} 被连续 2 次退回重办",
                at=START,
                by="machine",
            )
        )
    [proposed] = await decisions.violations(centre)
    return proposed


async def test_a_violation_is_confirmed_then_criticised_and_its_unit_told(centre: Centre) -> None:
    proposed = await _proposed_violation(centre)
    assert await inbox(centre, UNIT) == []  # nobody has decided anything about the unit yet
    with pytest.raises(decisions.AlreadyDecided, match="认定以后"):
        await decisions.criticise(centre, proposed.id, OFFICE)
    await decisions.decide_violation(centre, proposed.id, OFFICE, confirmed=True)
    [notice] = await inbox(centre, UNIT)
    assert notice.kind == "violation"
    assert (await decisions.criticise(centre, proposed.id, OFFICE)).criticised_at == START
    with pytest.raises(decisions.AlreadyDecided, match="已经通报批评"):
        await decisions.criticise(centre, proposed.id, OFFICE)


async def test_a_violation_is_dismissed_with_a_reason_and_stays_so(centre: Centre) -> None:
    proposed = await _proposed_violation(centre)
    with pytest.raises(Missing):
        await decisions.decide_violation(centre, proposed.id, OFFICE, confirmed=False)
    await decisions.decide_violation(centre, proposed.id, OFFICE, confirmed=False, why="退回系中心原因")
    with pytest.raises(decisions.AlreadyDecided):
        await decisions.decide_violation(centre, proposed.id, OFFICE, confirmed=True)
    assert await inbox(centre, UNIT) == []
    await look_at_events(centre)
    assert await decisions.violations(centre) == []


async def test_people_record_what_only_people_can_see(centre: Centre) -> None:
    record = await decisions.record_violation(centre, UNIT, "V3", "反馈与现场不一致，有照片", OFFICE)
    assert (record.state, record.by) == ("confirmed", "主任")
    for unit, violation, facts, error in (
        ("yz.nobody", "V3", "x", BadValue),
        (UNIT, "V9", "x", BadValue),
        (UNIT, "V3", "", Missing),
        (UNIT, "V3", "x" * 1_000_000, BadValue),
        (UNIT, "V3", "a\x00b", BadValue),
    ):
        with pytest.raises(error):
            await decisions.record_violation(centre, unit, violation, facts, OFFICE)
    with pytest.raises(NoSuchTicket):
        await decisions.record_violation(centre, UNIT, "V3", "x", OFFICE, ticket_id="nothing")
    assert len(await decisions.violations(centre, state=None)) == 1
