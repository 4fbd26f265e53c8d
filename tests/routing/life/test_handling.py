"""What units do: contact, receipt, emergencies by system and telephone, explanations; supervision."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from routing.law.provisions import Amount
from routing.life import dispatch, handling, supervising
from routing.life.errors import BadTime, BadValue, IllegalTransition, LawError, Missing, NotAllowed
from routing.life.tables import EscalationRecord
from routing.tickets import Actor
from tests.routing.life.conftest import (
    AGENT,
    CLERK,
    MANAGER,
    MONDAY,
    OFFICE,
    OTHER_CLERK,
    ZHIFA,
    ZHUJIAN,
    Office,
    jurisdiction,
)
from tests.routing.life.mixed_law import law_with
from tests.routing.life.reading import clocks_of, everything_of, history_of


async def test_contact_is_done_when_the_centre_hears_of_it(office: Office) -> None:
    ticket = await office.dispatched()
    office.clock.forward(minutes=30)
    ticket = await handling.report_contact(
        office.centre, ticket.id, ticket.version, CLERK, note="电话联系", at=MONDAY + timedelta(minutes=10)
    )
    assert (await office.clock_of(ticket, "contact")).state == "met"
    assert (await office.task_of(ticket)).contacted_at == MONDAY + timedelta(minutes=10)
    backdated = await office.dispatched()
    dispatched_at = office.clock.at
    office.clock.forward(days=3)
    backdated = await handling.report_contact(
        office.centre, backdated.id, backdated.version, CLERK, note="早就联系了", at=dispatched_at
    )
    clock = await office.clock_of(backdated, "contact")
    assert (clock.state, clock.ended_at) == ("missed", office.clock.at)
    late = await office.dispatched()
    office.clock.forward(minutes=30, seconds=1)
    late = await handling.report_contact(office.centre, late.id, late.version, CLERK, note="电话联系")
    assert (await office.clock_of(late, "contact")).state == "missed"


@pytest.mark.parametrize("minutes", [-1, 61], ids=["before-dispatch", "in-the-future"])
async def test_times_that_cannot_be_are_refused(minutes: int, office: Office) -> None:
    ticket = await office.dispatched()
    office.clock.forward(minutes=60)
    before = await everything_of(office.centre.db, ticket.id)
    for at in (MONDAY + timedelta(minutes=minutes), (MONDAY + timedelta(minutes=10)).replace(tzinfo=None)):
        with pytest.raises(BadTime):
            await handling.report_contact(office.centre, ticket.id, ticket.version, CLERK, note="电话联系", at=at)
    assert await everything_of(office.centre.db, ticket.id) == before


async def test_accepting_late_never_moves_the_completion_limit(office: Office) -> None:
    ticket = await office.dispatched()
    due = ticket.due_at
    office.clock.forward(hours=30)
    ticket = await handling.sign(office.centre, ticket.id, ticket.version, CLERK, received_by="陈科长")
    assert ticket.due_at == due
    assert (await office.task_of(ticket)).received_by == "陈科长"
    assert (await office.clock_of(ticket, "accept")).state == "missed"
    with pytest.raises(IllegalTransition):
        await handling.sign(office.centre, ticket.id, ticket.version, CLERK)


async def test_an_emergency_goes_out_by_system_and_by_telephone(office: Office) -> None:
    centre = office.centre
    accepted = await office.accepted(urgency="emergency")
    with pytest.raises(BadValue):
        await dispatch.dispatch(
            centre, accepted.id, accepted.version, AGENT, lead=ZHUJIAN, telephoned={"yz.nobody": "某人"}
        )
    ticket = await dispatch.dispatch(
        centre, accepted.id, accepted.version, AGENT, lead=ZHUJIAN, assisting=(ZHIFA,), telephoned={ZHUJIAN: "陈科长"}
    )
    assert ticket.attention == "not_telephoned"
    with pytest.raises(BadValue):
        await dispatch.note_phone(centre, ticket.id, ticket.version, AGENT, unit="yz.nobody", told="某人")
    ticket = await dispatch.note_phone(centre, ticket.id, ticket.version, AGENT, unit=ZHIFA, told="何队长")
    assert ticket.attention == ""
    lengths = {
        one.kind: one.due_at - one.started_at
        for one in await clocks_of(centre.db, ticket.id)
        if one.unit == ZHUJIAN and one.kind in ("contact", "start", "return")
    }
    assert lengths == dict.fromkeys(("contact", "start", "return"), timedelta(minutes=30))
    with pytest.raises(Missing):
        await handling.start_handling(centre, ticket.id, ticket.version, CLERK, report="")
    office.clock.forward(minutes=29)
    ticket = await handling.start_handling(centre, ticket.id, ticket.version, CLERK, report="已到场抢修，预计两小时")
    assert (await office.clock_of(ticket, "start")).state == "met"
    assert (await office.task_of(ticket)).reported == "已到场抢修，预计两小时"
    assert any(line.rule == "YZ-14(4)" for line in await history_of(centre.db, ticket.id))


async def test_what_a_unit_started_on_counts_when_the_centre_hears_of_it(office: Office) -> None:
    ticket = await office.dispatched(urgency="emergency")
    office.clock.forward(hours=3)
    ticket = await handling.start_handling(
        office.centre, ticket.id, ticket.version, CLERK, report="已到场", at=MONDAY + timedelta(minutes=5)
    )
    assert (await office.clock_of(ticket, "start")).state == "missed"
    assert (await office.task_of(ticket)).started_at == MONDAY + timedelta(minutes=5)


async def test_force_majeure_excuses_once_the_centre_has_confirmed_it(office: Office) -> None:
    ticket = await office.dispatched(urgency="emergency")
    office.clock.forward(hours=3)
    ticket = await handling.start_handling(
        office.centre, ticket.id, ticket.version, CLERK, report="已到场", excused="台风登陆，道路中断"
    )
    clock = await office.clock_of(ticket, "start")
    assert (clock.state, clock.why) == ("missed", "台风登陆，道路中断")
    confirm = partial(handling.confirm_excuse, office.centre, ticket.id, ticket.version)
    with pytest.raises(NotAllowed):
        await confirm(CLERK, unit=ZHUJIAN, why="确有台风")
    with pytest.raises(NotAllowed):
        await confirm(AGENT, unit=ZHUJIAN, why="确有台风")
    with pytest.raises(BadValue):
        await confirm(OFFICE, unit=ZHIFA, why="确有台风")
    with pytest.raises(Missing):
        await confirm(OFFICE, unit=ZHUJIAN, why="")
    ticket = await confirm(OFFICE, unit=ZHUJIAN, why="气象台红色预警")
    assert {one.kind: one.state for one in await clocks_of(office.centre.db, ticket.id)} == {
        "citizen": "running",
        "contact": "running",
        "return": "running",
        "start": "cancelled",
        "accept": "running",
        "complete": "running",
    }
    with pytest.raises(IllegalTransition):
        await handling.confirm_excuse(
            office.centre, ticket.id, ticket.version, OFFICE, unit=ZHUJIAN, why="气象台红色预警"
        )
    ordinary = await office.dispatched()
    with pytest.raises(IllegalTransition):
        await handling.start_handling(office.centre, ordinary.id, ordinary.version, CLERK, report="已到场")


async def test_sanya_has_two_clocks_on_the_scene(open_office: Callable[..., Office]) -> None:
    office = open_office("sanya")
    unit = next(iter(office.centre.jurisdiction.units))
    clerk = Actor("林采编", "unit_clerk", unit)
    ticket = await office.dispatched(lead=unit, urgency="emergency")
    clocks = {one.kind: one.due_at - one.started_at for one in await clocks_of(office.centre.db, ticket.id)}
    assert (clocks["safety"], clocks["start"]) == (timedelta(minutes=20), timedelta(minutes=30))
    office.clock.forward(minutes=20)
    ticket = await handling.secure(office.centre, ticket.id, ticket.version, clerk, report="已拉警戒线")
    assert (await office.clock_of(ticket, "safety")).state == "met"


async def test_a_missed_limit_is_explained_once_by_its_own_unit(office: Office) -> None:
    ticket = await office.dispatched(assisting=(ZHIFA,))
    clock = next(
        one for one in await clocks_of(office.centre.db, ticket.id) if (one.kind, one.unit) == ("contact", ZHUJIAN)
    )

    async def explain(actor: Actor, number: int, why: str = "值班电话故障") -> None:
        nonlocal ticket
        ticket = await handling.explain_missed_clock(
            office.centre, ticket.id, ticket.version, actor, clock_id=number, why=why
        )

    with pytest.raises(IllegalTransition):
        await explain(CLERK, clock.id)
    office.clock.forward(hours=1)
    with pytest.raises(NotAllowed):
        await explain(OTHER_CLERK, clock.id)
    with pytest.raises(BadValue):
        await explain(CLERK, clock.id + 1000)
    with pytest.raises(Missing):
        await explain(CLERK, clock.id, "")
    await explain(CLERK, clock.id)
    with pytest.raises(IllegalTransition):
        await explain(CLERK, clock.id)


async def test_supervision_starts_the_laws_clock_for_every_unit_at_work(open_office: Callable[..., Office]) -> None:
    ten = Amount(value=10, unit="minute")
    given = [
        one.model_copy(update={"limit": ten, "at_once": False}) if one.starts == "supervision" else one
        for one in jurisdiction("yazhou").law.limits
    ]
    office = open_office(law_with("yazhou", limits=tuple(given)))
    centre = office.centre
    ticket = await office.in_hand()
    office.clock.forward(days=3)
    ticket = await supervising.supervise(centre, ticket.id, ticket.version, MANAGER, why="逾期", trigger="overdue")
    clock = await office.clock_of(ticket, "contact")
    assert (clock.state, clock.unit, clock.rule) == ("running", ZHUJIAN, "YZ-22")
    assert clock.due_at == office.clock.at + timedelta(minutes=10)
    ticket = await handling.report_contact(centre, ticket.id, ticket.version, CLERK, note="已联系核实")
    assert (await office.clock_of(ticket, "contact")).state == "met"


async def test_supervision_and_the_leaderships_word(office: Office) -> None:
    centre = office.centre
    ticket = await office.in_hand()
    for actor in (CLERK, Actor("区领导", "district_leadership")):
        with pytest.raises(NotAllowed):
            await supervising.supervise(centre, ticket.id, ticket.version, actor, why="群众关注")
    with pytest.raises(BadValue):
        await supervising.supervise(centre, ticket.id, ticket.version, MANAGER, why="群众关注", trigger="mood")
    ticket = await supervising.supervise(
        centre, ticket.id, ticket.version, MANAGER, why="群众关注", trigger="group_event"
    )
    assert ticket.supervised
    with pytest.raises(IllegalTransition):
        await supervising.supervise(centre, ticket.id, ticket.version, MANAGER, why="再来一次")
    ticket = await supervising.submit_to_leadership(centre, ticket.id, ticket.version, OFFICE, why="可能引发群体性事件")
    async with centre.db.session() as session:
        first, second = list(await session.scalars(select(EscalationRecord).order_by(EscalationRecord.id)))
    assert (first.supervise, first.rule, second.leadership) == (True, "YZ-22", True)
    leader = Actor("区领导", "district_leadership")
    with pytest.raises(LawError):
        await supervising.instruct(centre, ticket.id, ticket.version, leader, number=first.id, instruction="速办")
    ticket = await supervising.instruct(centre, ticket.id, ticket.version, leader, number=second.id, instruction="速办")
    with pytest.raises(IllegalTransition):
        await supervising.instruct(centre, ticket.id, ticket.version, leader, number=second.id, instruction="再批")
    ticket = await supervising.end_supervision(centre, ticket.id, ticket.version, OFFICE, why="已办结")
    assert not ticket.supervised
    with pytest.raises(IllegalTransition):
        await supervising.end_supervision(centre, ticket.id, ticket.version, OFFICE, why="已办结")
