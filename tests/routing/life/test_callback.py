"""Calling citizens back: who, when, how often, and what follows (YZ-20, YZ-23, S15, S17)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from routing.dispatching import merging
from routing.law.provisions import Amount, CallbackPolicy
from routing.life import callback, redo, reviewing
from routing.life.callback import progress
from routing.life.errors import BadValue, IllegalTransition, Missing, NotAllowed
from routing.life.rating import Given
from routing.life.tables import Callback
from routing.storage import Ticket
from routing.tickets import Actor, TicketChanged, clear_attention
from routing.watch.inbox import inbox
from tests.routing.life.conftest import AGENT, CLERK, MANAGER, OFFICE, Office
from tests.routing.life.mixed_law import yazhou_with
from tests.routing.life.reading import clocks_of, everything_of, history_of

TWO_DAYS = Amount(value=48, unit="hour")


async def called(office: Office, ticket: Ticket, outcome: str, *, solved: str = "", actor: Actor = AGENT) -> Ticket:
    """One attempt now."""
    now = await office.ticket(ticket.id)
    return await callback.record(office.centre, now.id, now.version, actor, outcome=outcome, solved=solved)


async def test_who_is_reached_and_content_is_called_back(office: Office) -> None:
    ticket = await office.reviewed()
    (due,) = await callback.worklist(office.centre, AGENT)
    assert (due.ticket_id, due.reason, due.now, due.progress.made) == (ticket.id, "callback", True, 0)
    assert due.due_at == (await office.clock_of(ticket, "callback")).due_at
    ticket = await called(office, ticket, "reached", solved="solved")
    assert (ticket.state, ticket.called_back_at) == ("called_back", office.clock.at.astimezone(UTC))
    assert (await office.clock_of(ticket, "callback")).state == "met"
    assert await callback.worklist(office.centre, AGENT) == []
    archived = await reviewing.archive(office.centre, ticket.id, ticket.version, AGENT)
    assert archived.state == "archived"


async def test_three_attempts_at_different_hours_are_enough(office: Office) -> None:
    ticket = await office.reviewed()
    for hours, state in ((0, "reviewed"), (0.5, "reviewed"), (2, "reviewed"), (24, "reviewed"), (1, "called_back")):
        office.clock.forward(hours=hours)
        ticket = await called(office, ticket, "not_reached")
        assert ticket.state == state, office.clock.at
    lines = [line for line in await history_of(office.centre.db, ticket.id) if line.action == "callback"]
    assert [line.after for line in lines] == ["not_reached"] * 5


async def test_the_list_says_at_which_hour_a_call_counts(office: Office) -> None:
    ticket = await office.reviewed()
    await called(office, ticket, "message")
    (due,) = await callback.worklist(office.centre, MANAGER)
    assert (due.progress.counted, due.progress.hours, due.now) == (1, (9,), False)
    office.clock.forward(hours=1)
    (due,) = await callback.worklist(office.centre, MANAGER)
    assert due.now


async def test_who_wants_no_call_is_not_called_again(office: Office) -> None:
    ticket = await called(office, await office.reviewed(), "refused")
    assert ticket.state == "called_back"


async def test_an_anonymous_caller_is_not_called(office: Office) -> None:
    ticket = await office.reviewed()
    async with office.centre.db.begin() as session:
        (await session.get_one(Ticket, ticket.id)).anonymous = True
    assert await callback.worklist(office.centre, AGENT) == []
    with pytest.raises(IllegalTransition, match="匿名") as refused:
        await called(office, ticket, "reached", solved="solved")
    assert refused.value.rule == "YZ-8"
    archived = await reviewing.archive(office.centre, ticket.id, ticket.version, AGENT)
    assert archived.state == "archived"


async def test_before_the_review_nobody_is_called(office: Office) -> None:
    ticket = await office.submitted()
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(IllegalTransition, match="不能“回访”") as refused:
        await called(office, ticket, "reached", solved="solved")
    assert refused.value.rule == "YZ-23"
    assert await everything_of(office.centre.db, ticket.id) == before


async def test_units_do_not_call_back_for_the_centre(office: Office) -> None:
    ticket = await office.reviewed()
    with pytest.raises(NotAllowed):
        await called(office, ticket, "reached", solved="solved", actor=CLERK)
    with pytest.raises(NotAllowed):
        await callback.worklist(office.centre, CLERK)


@pytest.mark.parametrize(
    ("outcome", "solved", "error", "field"),
    [
        ("", "", Missing, "outcome"),
        ("gone", "", BadValue, "outcome"),
        ("reached", "", Missing, "solved"),
        ("reached", "perhaps", BadValue, "solved"),
        ("not_reached", "solved", Missing, "outcome"),
    ],
)
async def test_nonsense_is_refused_and_changes_nothing(
    office: Office, outcome: str, solved: str, error: type[Exception], field: str
) -> None:
    ticket = await office.reviewed()
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(error) as refused:
        await called(office, ticket, outcome, solved=solved)
    assert getattr(refused.value, "field", None) == field
    assert await everything_of(office.centre.db, ticket.id) == before


async def test_of_two_who_call_at_once_one_is_told(office: Office) -> None:
    ticket = await office.reviewed()
    await called(office, ticket, "not_reached")
    with pytest.raises(TicketChanged):
        await callback.record(office.centre, ticket.id, ticket.version, AGENT, outcome="refused")


async def test_what_is_not_solved_goes_back_within_the_limit_that_the_centre_sets(office: Office) -> None:
    ticket = await office.reviewed()
    ticket = await callback.record(
        office.centre,
        ticket.id,
        ticket.version,
        OFFICE,
        outcome="reached",
        solved="untreated",
        within=TWO_DAYS,
    )
    assert (ticket.state, ticket.redos, ticket.completed_at) == ("redo", 1, None)
    clock = await office.clock_of(ticket, "redo")
    assert (clock.due_at - office.clock.at, clock.rule) == (timedelta(hours=48), "YZ-20")


async def test_an_agent_may_set_no_limit_so_it_is_put_before_who_may(office: Office) -> None:
    ticket = await called(office, await office.reviewed(), "reached", solved="unsolved")
    assert (ticket.state, ticket.attention) == ("reviewed", "callback_unsolved")
    assert await callback.worklist(office.centre, AGENT) == []
    ticket = await redo.send_back(office.centre, ticket.id, ticket.version, OFFICE, solved="unsolved", limit=TWO_DAYS)
    assert (ticket.state, ticket.attention) == ("redo", "")
    with pytest.raises(NotAllowed):
        again = await office.reviewed()
        await callback.record(
            office.centre, again.id, again.version, AGENT, outcome="reached", solved="unsolved", within=TWO_DAYS
        )


async def test_unsolved_after_the_redo_a_person_may_close_the_callbacks(office: Office) -> None:
    ticket = await called(office, await office.reviewed(), "reached", solved="unsolved")
    with pytest.raises(IllegalTransition, match="要退回承办单位") as refused:
        await callback.conclude(office.centre, ticket.id, ticket.version, OFFICE, why="无理要求")
    assert refused.value.rule == "YZ-20"
    ticket = await redo.send_back(office.centre, ticket.id, ticket.version, OFFICE, solved="unsolved", limit=TWO_DAYS)
    ticket = await office.submit(ticket)
    ticket = await reviewing.review_result(office.centre, ticket.id, ticket.version, OFFICE, passed=True)
    ticket = await called(office, ticket, "reached", solved="unsolved")
    with pytest.raises(NotAllowed):
        await callback.conclude(office.centre, ticket.id, ticket.version, AGENT, why="单位已尽责")
    ticket = await callback.conclude(office.centre, ticket.id, ticket.version, OFFICE, why="单位已尽责")
    assert (ticket.state, ticket.attention) == ("called_back", "")


async def test_every_caller_of_a_merged_matter_is_called_back(office: Office) -> None:
    whole = await office.reviewed(matter="street_lamp", event="路灯坏了")
    # They were merged while the matter was open; the links are what counts now.
    first, second = await office.accepted(), await office.accepted()
    await _part_of(office, whole, first, "caller-a")
    await _part_of(office, whole, second, "caller-b")
    due = await callback.worklist(office.centre, AGENT)
    assert [one.ticket_id for one in due] == [whole.id, first.id, second.id]
    assert {one.whole_id for one in due} == {whole.id}
    await called(office, first, "reached", solved="solved")
    await called(office, whole, "reached", solved="solved")
    assert (await office.ticket(whole.id)).state == "reviewed"
    await called(office, second, "refused")
    assert (await office.ticket(whole.id)).state == "called_back"


async def test_one_caller_with_two_tickets_is_called_once(office: Office) -> None:
    whole = await office.reviewed()
    part = await office.accepted()
    await _part_of(office, whole, part, "caller-a")
    async with office.centre.db.begin() as session:
        (await session.get_one(Ticket, whole.id)).caller_key = "caller-a"
    assert len(await callback.worklist(office.centre, AGENT)) == 1
    await called(office, part, "reached", solved="solved")
    assert (await office.ticket(whole.id)).state == "called_back"


async def test_an_anonymous_whole_still_owes_its_parts_a_call(office: Office) -> None:
    whole, part = await office.submitted(), await office.accepted()
    await _part_of(office, whole, part, "caller-a")
    async with office.centre.db.begin() as session:
        (await session.get_one(Ticket, whole.id)).anonymous = True
    passed = await reviewing.review_result(office.centre, whole.id, whole.version, OFFICE, passed=True)
    (due,) = await callback.worklist(office.centre, AGENT)
    assert (due.ticket_id, due.due_at is not None) == (part.id, True)
    with pytest.raises(Exception, match="还没有回访"):
        await reviewing.archive(office.centre, whole.id, passed.version, AGENT)
    await called(office, part, "reached", solved="solved")
    assert (await office.ticket(whole.id)).state == "called_back"


async def test_ratings_come_with_the_call(office: Office) -> None:
    ticket = await office.reviewed()
    ticket = await callback.record(
        office.centre,
        ticket.id,
        ticket.version,
        AGENT,
        outcome="reached",
        solved="solved",
        ratings=[Given("agent", "非常满意"), Given("result", "满意")],
    )
    lines = [line for line in await history_of(office.centre.db, ticket.id) if line.action == "rate"]
    assert [(line.field, line.after) for line in lines] == [("agent", "非常满意"), ("result", "满意")]


async def test_a_bad_rating_in_turpan_goes_before_the_call_being_done(open_office: Callable[..., Office]) -> None:
    office = open_office(yazhou_with("turpan", "redo"))
    ticket = await office.reviewed()
    ticket = await callback.record(
        office.centre,
        ticket.id,
        ticket.version,
        AGENT,
        outcome="reached",
        solved="solved",
        ratings=[Given("result", "不满意", reason="没有解决")],
    )
    assert (ticket.state, ticket.called_back_at, ticket.redos) == ("redo", None, 1)


@pytest.mark.parametrize(
    ("hours", "different", "counted"),
    [([9, 9, 9], True, 1), ([9, 9, 9], False, 3), ([9, 14, 9], True, 2), ([], True, 0)],
)
def test_attempts_within_one_hour_count_once(hours: list[int], different: bool, counted: int) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    policy = CallbackPolicy.model_validate(
        {"article": "x", "rule": "YZ-8", "since": "2021-01-01", "attempts": 3, "different_hours": different}
    )
    made = [
        Callback(at=datetime(2026, 3, 2 + day, hour, 10, tzinfo=zone), outcome="not_reached")
        for day, hour in enumerate(hours)
    ]
    found = progress(made, policy, zone)
    assert (found.counted, found.made, found.done) == (counted, len(hours), counted >= 3)


async def _part_of(office: Office, whole: Ticket, part: Ticket, caller: str) -> None:
    async with office.centre.db.begin() as session:
        row = await session.get_one(Ticket, part.id)
        row.caller_key, row.state = caller, "merged"
        session.add(
            merging.TicketLink(ticket_id=part.id, to_ticket_id=whole.id, kind="merged", at=office.clock.at, by="王坐席")
        )


async def test_what_was_taken_off_the_list_undecided_is_not_forgotten(office: Office) -> None:
    centre = office.centre
    ticket = await called(office, await office.reviewed(), "reached", solved="unsolved")
    ticket = await redo.send_back(centre, ticket.id, ticket.version, OFFICE, solved="unsolved", limit=TWO_DAYS)
    ticket = await office.submit(ticket)
    ticket = await reviewing.review_result(centre, ticket.id, ticket.version, OFFICE, passed=True)
    ticket = await called(office, ticket, "reached", solved="unsolved")
    await clear_attention(centre.db, ticket.id, ticket.version, MANAGER)
    (due,) = await callback.worklist(centre, AGENT)
    assert (due.ticket_id, due.reason, due.now) == (ticket.id, "unsolved", False)
    ticket = await office.ticket(ticket.id)
    ticket = await callback.conclude(centre, ticket.id, ticket.version, MANAGER, why="单位已尽责")
    assert (ticket.state, await callback.worklist(centre, AGENT)) == ("called_back", [])
    assert (await reviewing.archive(centre, ticket.id, ticket.version, AGENT)).state == "archived"


async def test_two_redos_with_a_content_citizen_between_are_not_in_a_row(office: Office) -> None:
    centre = office.centre
    findings = centre.jurisdiction.law_at(office.clock.at).redo.findings  # type: ignore[union-attr]
    ticket = await office.reviewed()
    for number in (1, 2):
        ticket = await redo.order_redo(centre, ticket.id, ticket.version, OFFICE, findings=findings, why="又坏了")
        task = await office.task_of(ticket)
        assert (task.redos, task.redos_in_a_row) == (number, 1)
        ticket = await office.submit(ticket)
        ticket = await reviewing.review_result(centre, ticket.id, ticket.version, OFFICE, passed=True)
        ticket = await called(office, ticket, "reached", solved="solved")


async def test_a_missing_year_leaves_the_callback_without_a_limit_and_lets_the_result_pass(office: Office) -> None:
    office.clock.at = datetime(2026, 12, 28, 9, 0, tzinfo=office.clock.at.tzinfo)
    ticket = await office.submitted()
    office.clock.at = datetime(2026, 12, 30, 8, 0, tzinfo=office.clock.at.tzinfo)
    ticket = await reviewing.review_result(office.centre, ticket.id, ticket.version, OFFICE, passed=True)
    assert ticket.state == "reviewed"
    assert [one.kind for one in await clocks_of(office.centre.db, ticket.id) if one.kind == "callback"] == []
    (line,) = [one for one in await history_of(office.centre.db, ticket.id) if one.action == "clock_left_out"]
    assert ("2027" in line.why, line.rule) == (True, "S12")
    (notice,) = await inbox(office.centre, "")
    assert (notice.kind, notice.ticket_id) == ("calendar", ticket.id)
    assert [one.ticket_id for one in await callback.worklist(office.centre, AGENT)] == [ticket.id]
