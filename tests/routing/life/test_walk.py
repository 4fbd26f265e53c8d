"""One ticket from the letter to the archive, as Yazhou's law wants it."""

from __future__ import annotations

from datetime import timedelta

from routing.life import dispatch, handling, reviewing, submitting
from routing.life.changing import changing
from tests.routing.life.conftest import AGENT, CLERK, LEADER, MONDAY, OFFICE, SOLVED, Office
from tests.routing.life.reading import clocks_of, history_of


async def test_a_ticket_from_the_draft_to_the_archive(office: Office) -> None:
    centre = office.centre
    ticket = await office.accepted("non_urban_management")
    assert (ticket.state, ticket.scope, ticket.place) == ("accepted", "YZ-11-7", "保港")
    ticket = await dispatch.dispatch(centre, ticket.id, ticket.version, AGENT, lead=CLERK.unit)
    assert {clock.kind: clock.due_at - MONDAY for clock in await clocks_of(centre.db, ticket.id)} == {
        "citizen": timedelta(days=7, hours=15),
        "contact": timedelta(minutes=30),
        "return": timedelta(hours=24),
        "accept": timedelta(hours=24),
        "complete": timedelta(days=7, hours=15),
    }
    office.clock.forward(minutes=20)
    ticket = await handling.report_contact(centre, ticket.id, ticket.version, CLERK, note="已与诉求人通话")
    ticket = await handling.sign(centre, ticket.id, ticket.version, CLERK)
    assert (ticket.state, (await office.task_of(ticket)).received_by) == ("in_hand", CLERK.name)
    office.clock.forward(days=2)
    ticket = await submitting.submit_result(centre, ticket.id, ticket.version, CLERK, form=SOLVED["complaint"])
    assert (ticket.state, (await office.task_of(ticket)).state) == ("in_hand", "submitted")
    ticket = await submitting.approve(centre, ticket.id, ticket.version, LEADER)
    assert ticket.state == "under_review"
    office.clock.forward(hours=1)
    ticket = await reviewing.review_result(centre, ticket.id, ticket.version, OFFICE, passed=True)
    assert (ticket.state, ticket.late) == ("reviewed", False)
    assert ticket.completed_at == MONDAY + timedelta(days=2, minutes=20)
    async with changing(centre, ticket.id, ticket.version, AGENT) as change:
        change.transition("call_back", why="诉求人满意")
        change.ticket.called_back_at = change.at
    ticket = await reviewing.archive(centre, ticket.id, change.ticket.version, AGENT)
    assert ticket.state == "archived" and ticket.archived_at is not None
    kinds = {clock.kind: clock.state for clock in await clocks_of(centre.db, ticket.id)}
    assert kinds == {
        "citizen": "met",
        "contact": "met",
        "return": "cancelled",
        "accept": "met",
        "complete": "met",
        "result_review": "met",
        "callback": "cancelled",
    }
    moves = [(line.before, line.after) for line in await history_of(centre.db, ticket.id) if line.field == "state"]
    assert moves == [
        ("draft", "accepted"),
        ("accepted", "dispatched"),
        ("dispatched", "in_hand"),
        ("in_hand", "under_review"),
        ("under_review", "reviewed"),
        ("reviewed", "called_back"),
        ("called_back", "archived"),
    ]
    lines = await history_of(centre.db, ticket.id)
    assert all(line.actor and line.rule for line in lines if line.action not in ("opened", "edited"))
    versions = [line.version for line in lines]
    assert versions == sorted(versions) and versions[-1] == ticket.version
