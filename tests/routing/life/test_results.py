"""Results: the form complete, the approvals in order, the centre's review, redo, mediation, archive."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from routing.law.provisions import Amount
from routing.life import callback, dispatch, handling, redo, returning, reviewing, submitting
from routing.life.changing import THE_MACHINE, changing
from routing.life.errors import BadValue, IllegalTransition, Missing, NotAllowed, Silent, TooMany, Undecided
from routing.storage import Ticket
from routing.tickets import Actor
from tests.routing.life.conftest import (
    AGENT,
    CLERK,
    HEAD,
    LEADER,
    MANAGER,
    MONDAY,
    OFFICE,
    OTHER_CLERK,
    SOLVED,
    ZHIFA,
    ZHUJIAN,
    Office,
)
from tests.routing.life.reading import clocks_of, everything_of, tasks_of

FINDINGS = ("诉求合理且没有得到有效解决", "属于平台成员单位责任")


async def _submit(office: Office, ticket: Ticket, form: dict[str, str], actor: Actor = CLERK) -> Ticket:
    return await submitting.submit_result(office.centre, ticket.id, ticket.version, actor, form=form)


@pytest.mark.parametrize(
    ("intent", "form", "field"),
    [
        ("complaint", {}, "form.finding"),
        ("complaint", {"finding": "属实"}, "form.people"),
        ("complaint", {"finding": "属实", "people": "已处理"}, "form.things"),
        ("complaint", {"finding": "不属实"}, "form.explanation"),
        ("complaint", {"finding": "不属实", "explanation": " "}, "form.explanation"),
        ("help", {"reasonable": "合理合法"}, "form.solution"),
        ("help", {"reasonable": "不合理不合法"}, "form.basis"),
        ("consult", {"answer": "见附件"}, "form.answered"),
        ("suggestion", {"decision": "采纳"}, "form.finish_by"),
        ("suggestion", {"decision": "不采纳"}, "form.reasons"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value) or "empty",
)
async def test_a_result_that_does_not_say_what_it_must_is_refused(
    intent: str, form: dict[str, str], field: str, office: Office
) -> None:
    ticket = await office.in_hand(intent=intent)
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(Missing) as refused:
        await _submit(office, ticket, form)
    assert refused.value.field == field and refused.value.rule.startswith("SY18-")
    assert await everything_of(office.centre.db, ticket.id) == before


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"finding": "也许"}, "form.finding"),
        ({"finding": "不属实", "explanation": "x" * 4001}, "form.explanation"),
        ({"finding": "不属实", "explanation": "x" * 1_000_000}, "form.explanation"),
        ({"finding": "不属实", "explanation": "a\x00b"}, "form.explanation"),
        ({"finding": "不属实", "explanation": "已解释", "colour": "red"}, "form.colour"),
    ],
    ids=["choice", "long", "megabyte", "control", "unknown"],
)
async def test_a_form_with_nonsense_is_refused(form: dict[str, str], field: str, office: Office) -> None:
    ticket = await office.in_hand()
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(BadValue) as refused:
        await _submit(office, ticket, form)
    assert refused.value.field == field
    assert await everything_of(office.centre.db, ticket.id) == before


async def test_nothing_is_submitted_before_the_caller_was_contacted(office: Office) -> None:
    ticket = await office.dispatched()
    with pytest.raises(IllegalTransition):
        await _submit(office, ticket, SOLVED["complaint"])
    ticket = await handling.sign(office.centre, ticket.id, ticket.version, CLERK)
    with pytest.raises(Missing) as refused:
        await _submit(office, ticket, SOLVED["complaint"])
    assert refused.value.rule == "YZ-15"


async def test_a_first_result_needs_the_leader_and_nobody_else(office: Office) -> None:
    ticket = await office.in_hand("non_urban_management")
    ticket = await _submit(office, ticket, SOLVED["complaint"])
    for actor in (AGENT, MANAGER, OFFICE):
        with pytest.raises(NotAllowed):
            await submitting.approve(office.centre, ticket.id, ticket.version, actor)
    for actor in (CLERK, HEAD, Actor("别局领导", "unit_leader", ZHIFA)):
        with pytest.raises(NotAllowed) as refused:
            await submitting.approve(office.centre, ticket.id, ticket.version, actor)
        assert refused.value.rule in ("YZ-18", "YZ-24")
    with pytest.raises(IllegalTransition):
        await reviewing.review_result(office.centre, ticket.id, ticket.version, OFFICE, passed=True)
    ticket = await submitting.approve(office.centre, ticket.id, ticket.version, LEADER)
    assert ticket.state == "under_review"


async def test_urban_results_need_no_approval(office: Office) -> None:
    ticket = await _submit(office, await office.in_hand(), SOLVED["complaint"])
    assert ticket.state == "under_review"


async def test_a_leader_sends_a_result_back(office: Office) -> None:
    ticket = await _submit(office, await office.in_hand("non_urban_management"), SOLVED["complaint"])
    ticket = await submitting.disapprove(office.centre, ticket.id, ticket.version, LEADER, why="写得不清楚")
    assert (ticket.state, (await office.task_of(ticket)).state) == ("in_hand", "accepted")
    with pytest.raises(IllegalTransition):
        await submitting.approve(office.centre, ticket.id, ticket.version, LEADER)
    assert (await office.submit(ticket)).state == "under_review"


async def test_a_rejected_result_goes_on_with_the_time_that_was_left(office: Office) -> None:
    ticket = await office.in_hand()
    office.clock.forward(hours=20)
    ticket = await office.submit(ticket)
    assert (await office.clock_of(ticket, "complete")).state == "stopped"
    review = await office.clock_of(ticket, "result_review")
    assert review.due_at - review.started_at == timedelta(hours=24)
    office.clock.forward(hours=10)
    with pytest.raises(Missing):
        await reviewing.review_result(office.centre, ticket.id, ticket.version, AGENT, passed=False)
    ticket = await reviewing.review_result(
        office.centre, ticket.id, ticket.version, AGENT, passed=False, why="没有附照片"
    )
    clock = await office.clock_of(ticket, "complete")
    assert (ticket.state, clock.state, clock.due_at) == ("in_hand", "running", MONDAY + timedelta(hours=58))
    office.clock.at = MONDAY + timedelta(hours=58, seconds=1)
    ticket = await office.submit(ticket)
    ticket = await reviewing.review_result(office.centre, ticket.id, ticket.version, AGENT, passed=True)
    assert (ticket.late, (await office.clock_of(ticket, "complete")).state) == (True, "missed")


async def test_what_was_submitted_in_time_is_in_time_however_long_the_review_takes(office: Office) -> None:
    ticket = await office.submitted()
    office.clock.forward(days=9)
    ticket = await reviewing.review_result(office.centre, ticket.id, ticket.version, OFFICE, passed=True)
    assert ticket.late is False
    assert (await office.clock_of(ticket, "result_review")).state == "missed"


async def test_a_redo_needs_both_findings_and_both_approvals_and_has_48_hours(office: Office) -> None:
    centre = office.centre
    ticket = await office.reviewed()
    for findings in ((), FINDINGS[:1], FINDINGS[1:]):
        with pytest.raises(Missing) as missing:
            await redo.order_redo(centre, ticket.id, ticket.version, OFFICE, findings=findings, why="没有修好")
        assert missing.value.rule == "YZ-21"
    with pytest.raises(NotAllowed):
        await redo.order_redo(centre, ticket.id, ticket.version, THE_MACHINE, why="没有修好")
    ticket = await redo.order_redo(centre, ticket.id, ticket.version, OFFICE, findings=FINDINGS, why="没有修好")
    clock = await office.clock_of(ticket, "redo")
    assert (ticket.state, clock.due_at - clock.started_at, clock.ruling) == ("redo", timedelta(hours=48), "C3")
    assert (ticket.completed_at, ticket.reviewed_at, ticket.redos) == (None, None, 1)
    assert (await office.clock_of(ticket, "citizen")).state == "running", "the citizen still waits"
    ticket = await _submit(office, ticket, SOLVED["complaint"])
    assert ticket.state == "redo"
    with pytest.raises(NotAllowed):
        await submitting.approve(centre, ticket.id, ticket.version, HEAD)
    ticket = await submitting.approve(centre, ticket.id, ticket.version, LEADER)
    assert ticket.state == "redo", "one approval is not enough"
    with pytest.raises(NotAllowed):
        await submitting.approve(centre, ticket.id, ticket.version, Actor(LEADER.name, "unit_head", ZHUJIAN))
    ticket = await submitting.approve(centre, ticket.id, ticket.version, HEAD)
    assert ticket.state == "under_review"
    ticket = await redo.order_redo(centre, ticket.id, ticket.version, OFFICE, findings=FINDINGS, why="还是没有修好")
    assert (ticket.state, (await office.task_of(ticket)).redos_in_a_row) == ("redo", 2)


async def test_turpan_redoes_once_within_three_working_days(open_office: Callable[..., Office]) -> None:
    office = open_office("turpan")
    unit = next(iter(office.centre.jurisdiction.units))
    clerk = Actor("马采编", "unit_clerk", unit)
    ticket = await office.dispatched("", lead=unit)
    ticket = await handling.sign(office.centre, ticket.id, ticket.version, clerk)
    async with changing(office.centre, ticket.id, ticket.version, clerk) as change:
        fields = submitting.form_fields(change)
    form = {one.id: one.choices[0] if one.choices else "已按规定办理" for one in fields if not one.required_when}
    form |= {
        one.id: "已按规定办理"
        for one in fields
        if one.required_when and form.get(one.required_when[0]) == one.required_when[1]
    }
    for round_of in (1, 2):
        ticket = await _submit(office, ticket, form, clerk)
        ticket = await reviewing.review_result(office.centre, ticket.id, ticket.version, OFFICE, passed=True)
        if round_of == 1:
            ticket = await redo.order_redo(
                office.centre, ticket.id, ticket.version, THE_MACHINE, why="首次评价为不满意"
            )
            clock = await office.clock_of(ticket, "redo")
            assert (clock.amount, clock.amount_unit) == (3, "working_day")
    with pytest.raises(TooMany) as refused:
        await redo.order_redo(office.centre, ticket.id, ticket.version, THE_MACHINE, why="再次不满意")
    assert refused.value.rule == "TP-22"


async def test_what_the_citizen_calls_unsolved_goes_back_within_the_centres_limit(office: Office) -> None:
    ticket = await office.reviewed()
    hours = Amount(value=12, unit="hour")
    with pytest.raises(NotAllowed):
        await redo.send_back(office.centre, ticket.id, ticket.version, AGENT, solved="unsolved", limit=hours)
    with pytest.raises(BadValue):
        await redo.send_back(office.centre, ticket.id, ticket.version, OFFICE, solved="solved", limit=hours)
    ticket = await redo.send_back(office.centre, ticket.id, ticket.version, OFFICE, solved="unsolved", limit=hours)
    assert (ticket.state, ticket.due_at) == ("redo", MONDAY + timedelta(hours=12))
    assert (await office.clock_of(ticket, "callback")).state == "cancelled"
    ticket = await office.submit(ticket)
    assert ticket.state == "under_review"


async def test_an_ended_mediation_is_not_dispatched_again(office: Office) -> None:
    ticket = await office.in_hand()
    ticket = await returning.take_back(office.centre, ticket.id, ticket.version, MANAGER, why="双方各执一词")
    ticket = await reviewing.end_mediation(office.centre, ticket.id, ticket.version, MANAGER, why="双方不愿再调解")
    assert {one.state for one in await clocks_of(office.centre.db, ticket.id)} <= {"met", "missed", "cancelled"}
    with pytest.raises(IllegalTransition):
        await dispatch.redispatch(office.centre, ticket.id, ticket.version, AGENT, lead=ZHIFA)
    with pytest.raises(Undecided):
        await reviewing.archive(office.centre, ticket.id, ticket.version, AGENT)


async def test_an_ended_mediation_is_archived_after_the_call(office: Office) -> None:
    centre = office.centre
    ticket = await office.in_hand()
    ticket = await reviewing.end_mediation(centre, ticket.id, ticket.version, MANAGER, why="双方不愿再调解")
    with pytest.raises(Undecided) as undecided:
        await reviewing.archive(centre, ticket.id, ticket.version, AGENT)
    assert "办结" not in str(undecided.value)
    ticket = await callback.record(centre, ticket.id, ticket.version, AGENT, outcome="reached", solved="unsolved")
    assert ticket.state == "mediation_ended"
    assert (await reviewing.archive(centre, ticket.id, ticket.version, AGENT)).state == "archived"


async def test_late_work_stays_late_when_the_mediation_ends(office: Office) -> None:
    ticket = await office.in_hand()
    office.clock.forward(days=2, minutes=1)
    ticket = await office.submit(ticket)
    ticket = await reviewing.end_mediation(office.centre, ticket.id, ticket.version, MANAGER, why="双方不愿再调解")
    clock = await office.clock_of(ticket, "complete")
    assert (clock.state, ticket.late) == ("missed", True)


async def test_only_what_is_completed_reviewed_and_called_back_is_archived(office: Office) -> None:
    for make in (office.accepted, office.dispatched, office.in_hand, office.submitted):
        ticket = await make()
        with pytest.raises(IllegalTransition) as refused:
            await reviewing.archive(office.centre, ticket.id, ticket.version, AGENT)
        assert refused.value.rule == "YZ-23"
    ticket = await office.reviewed()
    with pytest.raises(Undecided) as undecided:
        await reviewing.archive(office.centre, ticket.id, ticket.version, AGENT)
    assert (undecided.value.rule, "还没有回访" in str(undecided.value)) == ("YZ-23", True)


async def test_anonymous_callers_are_not_called_back(office: Office) -> None:
    ticket = await office.reviewed()
    async with changing(office.centre, ticket.id, ticket.version, AGENT) as change:
        change.ticket.anonymous = True
        change.record("note", why="来电人没有留名")
    ticket = await reviewing.archive(office.centre, ticket.id, change.ticket.version, AGENT)
    assert ticket.state == "archived"


async def test_the_lead_waits_for_those_who_assist_or_the_centre_takes_them_off(office: Office) -> None:
    centre = office.centre
    ticket = await office.dispatched(assisting=(ZHIFA,))
    for clerk in (CLERK, OTHER_CLERK):
        ticket = await handling.report_contact(centre, ticket.id, ticket.version, clerk, note="已联系")
        ticket = await handling.sign(centre, ticket.id, ticket.version, clerk)
    with pytest.raises(Undecided) as refused:
        await _submit(office, ticket, SOLVED["complaint"])
    assert "综合行政执法局" in str(refused.value)
    with pytest.raises(BadValue):
        await _submit(office, ticket, SOLVED["complaint"], OTHER_CLERK)
    helped = await _submit(office, ticket, {"result": "已清理占道物"}, OTHER_CLERK)
    assert (helped.state, (await office.task_of(ticket, ZHIFA)).state) == ("in_hand", "completed")
    assert (await _submit(office, helped, SOLVED["complaint"])).state == "under_review"

    ticket = await office.dispatched(assisting=(ZHIFA,))
    ticket = await handling.report_contact(centre, ticket.id, ticket.version, CLERK, note="已联系")
    ticket = await handling.sign(centre, ticket.id, ticket.version, CLERK)
    ticket = await returning.withdraw_assisting(centre, ticket.id, ticket.version, MANAGER, unit=ZHIFA, why="不再需要")
    assert (await _submit(office, ticket, SOLVED["complaint"])).state == "under_review"
    assert {one.due_at for one in await tasks_of(centre.db, ticket.id) if one.unit == ZHUJIAN} == {ticket.due_at}


async def test_where_the_document_has_no_redo_there_is_none(open_office: Callable[..., Office]) -> None:
    office = open_office("yangling")
    ticket = await office.draft(intent="help")
    async with office.centre.db.begin() as session:
        await session.execute(update(Ticket).where(Ticket.id == ticket.id).values(state="reviewed"))
    with pytest.raises(Silent):
        await redo.order_redo(office.centre, ticket.id, ticket.version, MANAGER, why="没有解决")
    with pytest.raises(Silent):
        await reviewing.end_mediation(office.centre, ticket.id, ticket.version, MANAGER, why="没有解决")
