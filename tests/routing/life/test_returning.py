"""Returns: within the limit, with reasons; reviewed; after a no the way is shut; several units name a lead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from routing.law.provisions import Amount
from routing.life import dispatch, handling, redo, returning
from routing.life.errors import BadValue, IllegalTransition, LawError, Locked, Missing, NotAllowed, Silent, TooLate
from routing.tickets import Actor
from tests.routing.life.conftest import (
    AGENT,
    CLERK,
    HUANWEI,
    MANAGER,
    MONDAY,
    OFFICE,
    OTHER_CLERK,
    ZHIFA,
    ZHUJIAN,
    Office,
)
from tests.routing.life.reading import clocks_of, everything_of, tasks_of

REASON = "路灯由电网公司管理，不属于本单位职责"


async def test_an_accepted_return_is_dispatched_again_with_full_limits(office: Office) -> None:
    centre = office.centre
    ticket = await office.dispatched()
    office.clock.forward(hours=2)
    ticket = await returning.return_task(centre, ticket.id, ticket.version, CLERK, reason=REASON)
    assert ticket.state == "returning"
    review = await office.clock_of(ticket, "return_review")
    assert (review.unit, review.due_at - review.started_at) == ("", timedelta(hours=8))
    assert {one.kind: one.state for one in await clocks_of(centre.db, ticket.id)} == {
        "citizen": "running",
        "contact": "running",
        "accept": "running",
        "complete": "running",
        "return": "met",
        "return_review": "running",
    }
    office.clock.forward(hours=3)
    ticket = await returning.review_return(centre, ticket.id, ticket.version, OFFICE, unit=ZHUJIAN, accepted=True)
    assert ticket.state == "returned"
    states = {one.kind: one.state for one in await clocks_of(centre.db, ticket.id) if one.unit}
    assert states == {"contact": "missed", "accept": "cancelled", "complete": "cancelled", "return": "met"}, (
        "the contact was over before the unit gave the ticket back"
    )
    again = office.clock.forward(hours=1)
    ticket = await dispatch.redispatch(centre, ticket.id, ticket.version, AGENT, lead=ZHIFA)
    assert (ticket.state, ticket.rounds, ticket.lead_unit) == ("dispatched", 2, ZHIFA)
    assert (await office.clock_of(ticket, "complete")).due_at == again + timedelta(hours=48) == ticket.due_at
    citizens = [one for one in await clocks_of(centre.db, ticket.id) if one.kind == "citizen"]
    assert [(one.state, one.due_at) for one in citizens] == [("running", MONDAY + timedelta(hours=48))]
    first, second = await tasks_of(centre.db, ticket.id)
    assert (first.state, second.state, second.round) == ("returned", "dispatched", 2)


async def test_a_rejected_return_locks_the_unit(office: Office) -> None:
    centre = office.centre
    ticket = await office.dispatched()
    office.clock.forward(minutes=10)
    ticket = await returning.return_task(centre, ticket.id, ticket.version, CLERK, reason=REASON)
    with pytest.raises(Missing):
        await returning.review_return(centre, ticket.id, ticket.version, OFFICE, unit=ZHUJIAN, accepted=False)
    office.clock.forward(hours=5)
    ticket = await returning.review_return(
        centre, ticket.id, ticket.version, OFFICE, unit=ZHUJIAN, accepted=False, why="路灯由住建管理"
    )
    assert ticket.state == "dispatched"
    assert (await office.task_of(ticket)).return_locked
    contact = await office.clock_of(ticket, "contact")
    assert (contact.state, contact.due_at) == ("running", MONDAY + timedelta(minutes=30)), "the watch finds it over"
    before = await everything_of(centre.db, ticket.id)
    with pytest.raises(Locked) as refused:
        await returning.return_task(centre, ticket.id, ticket.version, CLERK, reason="再退一次")
    assert (refused.value.code, refused.value.rule) == ("locked", "YZ-17")
    assert await everything_of(centre.db, ticket.id) == before


@pytest.mark.parametrize(("minutes", "in_time"), [(24 * 60, True), (24 * 60 + 1, False)])
async def test_the_return_limit_is_the_last_moment(minutes: int, in_time: bool, office: Office) -> None:
    ticket = await office.in_hand()
    office.clock.at = MONDAY + timedelta(minutes=minutes)
    attempt = returning.return_task(office.centre, ticket.id, ticket.version, CLERK, reason=REASON)
    if in_time:
        assert (await attempt).state == "returning", "signing does not take the right to return (C13)"
        return
    with pytest.raises(TooLate) as refused:
        await attempt
    assert "2026-03-03 09:00" in str(refused.value)


async def test_what_is_signed_comes_back_into_hand_after_a_no(office: Office) -> None:
    ticket = await office.in_hand()
    ticket = await returning.return_task(office.centre, ticket.id, ticket.version, CLERK, reason=REASON)
    ticket = await returning.review_return(
        office.centre, ticket.id, ticket.version, OFFICE, unit=ZHUJIAN, accepted=False, why="属于本单位"
    )
    assert (ticket.state, (await office.task_of(ticket)).state) == ("in_hand", "accepted")


async def test_a_dangerous_matter_is_returned_only_after_it_was_made_safe(office: Office) -> None:
    ticket = await office.dispatched(matter="street_lamp")
    assert ticket.hazard
    with pytest.raises(Missing) as refused:
        await returning.return_task(office.centre, ticket.id, ticket.version, CLERK, reason=REASON)
    assert (refused.value.rule, refused.value.field) == ("YZ-15", "safety")
    ticket = await returning.return_task(
        office.centre, ticket.id, ticket.version, CLERK, reason=REASON, safety="已断电并设围挡"
    )
    assert ticket.state == "returning"


async def test_after_several_units_a_lead_must_be_named_to_verify(office: Office) -> None:
    centre = office.centre
    ticket = await office.dispatched()
    for unit, clerk, following in ((ZHUJIAN, CLERK, ZHIFA), (ZHIFA, OTHER_CLERK, None)):
        ticket = await returning.return_task(centre, ticket.id, ticket.version, clerk, reason=REASON)
        ticket = await returning.review_return(centre, ticket.id, ticket.version, OFFICE, unit=unit, accepted=True)
        if following:
            ticket = await dispatch.redispatch(centre, ticket.id, ticket.version, AGENT, lead=following)
    with pytest.raises(Missing) as refused:
        await dispatch.redispatch(centre, ticket.id, ticket.version, AGENT, lead=HUANWEI)
    assert (refused.value.rule, refused.value.field) == ("YZ-21", "verifies")
    ticket = await dispatch.redispatch(centre, ticket.id, ticket.version, AGENT, lead=HUANWEI, verifies=True)
    assert (await office.task_of(ticket, HUANWEI)).verifies


async def test_the_unit_whose_return_was_accepted_does_not_get_it_back_as_it_was(office: Office) -> None:
    ticket = await office.dispatched()
    ticket = await returning.return_task(office.centre, ticket.id, ticket.version, CLERK, reason=REASON)
    ticket = await returning.review_return(
        office.centre, ticket.id, ticket.version, OFFICE, unit=ZHUJIAN, accepted=True
    )
    with pytest.raises(Locked):
        await dispatch.redispatch(office.centre, ticket.id, ticket.version, AGENT, lead=ZHUJIAN)


async def test_an_assisting_unit_returns_its_own_task_only(office: Office) -> None:
    centre = office.centre
    ticket = await office.dispatched(assisting=(ZHIFA,))
    ticket = await returning.return_task(centre, ticket.id, ticket.version, OTHER_CLERK, reason=REASON)
    assert (ticket.state, (await office.task_of(ticket, ZHIFA)).state) == ("dispatched", "returning")
    ticket = await handling.sign(centre, ticket.id, ticket.version, CLERK)
    ticket = await returning.review_return(centre, ticket.id, ticket.version, OFFICE, unit=ZHIFA, accepted=True)
    assert (ticket.state, (await office.task_of(ticket, ZHIFA)).state) == ("in_hand", "returned")
    assert (await office.clock_of(ticket, "complete")).state == "running"


@pytest.mark.parametrize(
    "actor",
    [AGENT, MANAGER, CLERK, OTHER_CLERK, Actor("吴", "unit_leader", ZHUJIAN)],
    ids=lambda actor: f"{actor.role}-{actor.unit or 'centre'}",
)
async def test_only_the_centres_office_decides_on_returns(actor: Actor, office: Office) -> None:
    ticket = await office.dispatched()
    ticket = await returning.return_task(office.centre, ticket.id, ticket.version, CLERK, reason=REASON)
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(NotAllowed) as refused:
        await returning.review_return(office.centre, ticket.id, ticket.version, actor, unit=ZHUJIAN, accepted=True)
    assert refused.value.rule == "YZ-17"
    assert await everything_of(office.centre.db, ticket.id) == before


async def test_a_unit_cannot_return_what_was_given_to_another(office: Office) -> None:
    ticket = await office.dispatched()
    with pytest.raises(NotAllowed):
        await returning.return_task(office.centre, ticket.id, ticket.version, OTHER_CLERK, reason=REASON)
    with pytest.raises(IllegalTransition):
        await returning.review_return(office.centre, ticket.id, ticket.version, OFFICE, unit=ZHUJIAN, accepted=True)


async def test_the_centre_takes_back_and_dispatches_anew(office: Office) -> None:
    ticket = await office.in_hand()
    ticket = await returning.take_back(office.centre, ticket.id, ticket.version, MANAGER, why="派错了单位")
    assert ticket.state == "returned"
    assert {one.kind: one.state for one in await clocks_of(office.centre.db, ticket.id)} == {
        "citizen": "running",
        "contact": "met",
        "accept": "met",
        "return": "cancelled",
        "complete": "cancelled",
    }
    ticket = await dispatch.redispatch(
        office.centre, ticket.id, ticket.version, AGENT, lead=ZHIFA, assisting=(ZHUJIAN,)
    )
    assert [(task.unit, task.role) for task in (await tasks_of(office.centre.db, ticket.id))[1:]] == [
        (ZHIFA, "lead"),
        (ZHUJIAN, "assist"),
    ]


async def test_the_same_unit_goes_on_with_the_time_that_it_had(office: Office) -> None:
    centre = office.centre
    ticket = await office.in_hand()
    office.clock.forward(hours=47, minutes=50)
    ticket = await returning.take_back(centre, ticket.id, ticket.version, MANAGER, why="重新核对")
    office.clock.forward(hours=1)
    ticket = await dispatch.redispatch(centre, ticket.id, ticket.version, AGENT, lead=ZHUJIAN)
    assert ticket.due_at == MONDAY + timedelta(hours=49), "ten minutes were left, and are left"
    complete = [one for one in await clocks_of(centre.db, ticket.id) if one.kind == "complete"]
    assert [(one.state, one.why, one.task_id) for one in complete] == [
        ("running", "", (await office.task_of(ticket)).id)
    ]
    ticket = await returning.take_back(centre, ticket.id, ticket.version, MANAGER, why="另派单位")
    ticket = await dispatch.redispatch(centre, ticket.id, ticket.version, AGENT, lead=ZHIFA)
    assert ticket.due_at == office.clock.at + timedelta(hours=48), "a new unit has the full limit (S10)"


async def test_who_is_late_does_not_begin_anew(office: Office) -> None:
    ticket = await office.in_hand()
    office.clock.forward(days=3)
    ticket = await returning.take_back(office.centre, ticket.id, ticket.version, MANAGER, why="重新核对")
    ticket = await dispatch.redispatch(office.centre, ticket.id, ticket.version, AGENT, lead=ZHUJIAN)
    clock = await office.clock_of(ticket, "complete")
    assert (clock.state, clock.due_at, ticket.due_at) == ("breached", *[MONDAY + timedelta(hours=48)] * 2)


async def test_another_laws_limit_is_the_next_units_too(office: Office) -> None:
    centre = office.centre
    ticket = await office.in_hand("non_urban_management")
    sixty = Amount(value=60, unit="working_day")
    ticket = await dispatch.apply_other_law(centre, ticket.id, ticket.version, OFFICE, amount=sixty, basis="某法第六条")
    ticket = await returning.take_back(centre, ticket.id, ticket.version, MANAGER, why="另派单位")
    office.clock.forward(days=1)
    ticket = await dispatch.redispatch(centre, ticket.id, ticket.version, AGENT, lead=ZHIFA)
    clock = await office.clock_of(ticket, "complete")
    assert (clock.unit, clock.article, clock.due_at) == (
        ZHIFA,
        "某法第六条",
        centre.calendar.add(office.clock.at, sixty),
    )


async def test_a_redo_and_a_return_that_waits_are_taken_back_from_a_unit_that_is_gone(office: Office) -> None:
    centre = office.centre
    redone = await office.reviewed()
    findings = centre.jurisdiction.law_at(office.clock.at).redo.findings  # type: ignore[union-attr]
    redone = await redo.order_redo(centre, redone.id, redone.version, OFFICE, findings=findings, why="没有修好")
    returned = await office.dispatched()
    returned = await returning.return_task(centre, returned.id, returned.version, CLERK, reason=REASON)
    for ticket in (redone, returned):
        ticket = await returning.take_back(centre, ticket.id, ticket.version, MANAGER, why="单位撤销")
        ticket = await dispatch.redispatch(centre, ticket.id, ticket.version, AGENT, lead=ZHIFA)
        assert (ticket.state, ticket.due_at) == ("dispatched", office.clock.at + timedelta(hours=48))


async def test_a_limit_that_was_over_when_the_ticket_was_taken_back_stays_missed(office: Office) -> None:
    ticket = await office.dispatched()
    office.clock.forward(days=3)
    ticket = await returning.take_back(office.centre, ticket.id, ticket.version, MANAGER, why="迟迟不办")
    states = {one.kind: one.state for one in await clocks_of(office.centre.db, ticket.id)}
    assert (states["contact"], states["accept"], states["complete"], states["return"]) == (
        "missed",
        "missed",
        "missed",
        "cancelled",
    )


async def test_turpan_wants_a_basis_within_20_hours_and_a_determined_unit_keeps_it(
    open_office: Callable[..., Office],
) -> None:
    office = open_office("turpan")
    unit, other = list(office.centre.jurisdiction.units)[:2]
    clerk = Actor("马采编", "unit_clerk", unit)
    ticket = await office.dispatched("", lead=unit)
    with pytest.raises(Missing) as refused:
        await returning.return_task(office.centre, ticket.id, ticket.version, clerk, reason=REASON)
    assert refused.value.field == "basis"
    window = await office.clock_of(ticket, "return")
    assert window.due_at - window.started_at == timedelta(hours=20)
    ticket = await returning.return_task(
        office.centre, ticket.id, ticket.version, clerk, reason=REASON, basis="《三定规定》第三条"
    )
    law = office.centre.jurisdiction.law_at(office.clock.at).returns
    assert law is not None
    reviewer = Actor("审核人", law.reviewed_by)
    ticket = await returning.review_return(office.centre, ticket.id, ticket.version, reviewer, unit=unit, accepted=True)
    with pytest.raises(BadValue):
        await dispatch.determine_unit(office.centre, ticket.id, ticket.version, MANAGER, unit=unit, by="掷骰子")
    ticket = await dispatch.determine_unit(
        office.centre, ticket.id, ticket.version, MANAGER, unit=unit, by=law.dispute_steps[0]
    )
    with pytest.raises(Locked):
        await dispatch.redispatch(office.centre, ticket.id, ticket.version, AGENT, lead=other)
    ticket = await dispatch.redispatch(office.centre, ticket.id, ticket.version, AGENT, lead=unit, verifies=True)
    with pytest.raises(Locked):
        await returning.return_task(
            office.centre, ticket.id, ticket.version, clerk, reason=REASON, basis="《三定规定》第三条"
        )


async def test_where_the_document_is_silent_the_centre_takes_the_ticket_back(
    open_office: Callable[..., Office],
) -> None:
    office = open_office("yangling")
    unit = next(iter(office.centre.jurisdiction.units))
    clerk = Actor("杨采编", "unit_clerk", unit)
    ticket = await office.dispatched("", lead=unit, intent="help")
    with pytest.raises(Silent):
        await returning.return_task(office.centre, ticket.id, ticket.version, clerk, reason=REASON)
    with pytest.raises(LawError):
        await dispatch.determine_unit(office.centre, ticket.id, ticket.version, MANAGER, unit=unit, by="会议")
    ticket = await returning.take_back(office.centre, ticket.id, ticket.version, MANAGER, why="派错了")
    assert ticket.state == "returned"


async def test_while_the_lead_waits_for_an_answer_those_who_assist_go_on(office: Office) -> None:
    centre = office.centre
    ticket = await office.dispatched(assisting=(ZHIFA, HUANWEI))
    ticket = await returning.return_task(centre, ticket.id, ticket.version, CLERK, reason=REASON)
    ticket = await handling.report_contact(centre, ticket.id, ticket.version, OTHER_CLERK, note="已联系")
    ticket = await handling.sign(centre, ticket.id, ticket.version, OTHER_CLERK)
    assert (ticket.state, (await office.task_of(ticket, ZHIFA)).state) == ("returning", "accepted")
    ticket = await returning.return_task(
        centre, ticket.id, ticket.version, Actor("钱采编", "unit_clerk", HUANWEI), reason=REASON
    )
    assert (ticket.state, (await office.task_of(ticket, HUANWEI)).state) == ("returning", "returning")
    ticket = await returning.review_return(centre, ticket.id, ticket.version, OFFICE, unit=ZHUJIAN, accepted=True)
    assert ticket.state == "returned"
    assert [task.state for task in await tasks_of(centre.db, ticket.id)] == ["returned", "withdrawn", "withdrawn"]
    open_ones = [one.kind for one in await clocks_of(centre.db, ticket.id) if one.state in ("running", "stopped")]
    assert open_ones == ["citizen"]


async def test_a_return_in_an_emergency_stops_nothing_and_an_accepted_one_excuses(office: Office) -> None:
    centre = office.centre
    for accepted, state in ((False, "missed"), (True, "cancelled")):
        ticket = await office.dispatched(urgency="emergency")
        begun = office.clock.at
        office.clock.forward(minutes=29)
        ticket = await returning.return_task(centre, ticket.id, ticket.version, CLERK, reason=REASON)
        office.clock.forward(hours=7)
        if not accepted:
            ticket = await handling.start_handling(centre, ticket.id, ticket.version, CLERK, report="先行处置")
        ticket = await returning.review_return(
            centre, ticket.id, ticket.version, OFFICE, unit=ZHUJIAN, accepted=accepted, why="经核实"
        )
        clock = await office.clock_of(ticket, "start")
        assert (clock.state, clock.due_at) == (state, begun + timedelta(minutes=30))


async def test_a_caller_who_is_contacted_while_the_return_waits_need_not_be_contacted_again(office: Office) -> None:
    ticket = await office.dispatched()
    office.clock.forward(minutes=20)
    ticket = await returning.return_task(office.centre, ticket.id, ticket.version, CLERK, reason=REASON)
    office.clock.forward(hours=2)
    ticket = await handling.report_contact(office.centre, ticket.id, ticket.version, CLERK, note="已联系")
    ticket = await returning.review_return(
        office.centre, ticket.id, ticket.version, OFFICE, unit=ZHUJIAN, accepted=False, why="属于本单位"
    )
    assert (await office.clock_of(ticket, "contact")).state == "missed", (
        "a return relieves nobody before it is accepted"
    )
    assert (await office.clock_of(ticket, "accept")).state == "running"
