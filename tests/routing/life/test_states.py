"""The tables of states: complete, reachable, and obeyed for every action, state and role."""

from __future__ import annotations

from typing import get_args

import pytest
from sqlalchemy import update

from routing.life import states
from routing.life.changing import THE_MACHINE, changing
from routing.life.diagram import as_markdown
from routing.life.errors import IllegalTransition, LawError, NotAllowed
from routing.life.states import PERSONS, ROLE_NAMES, STATE_NAMES, TASK, TASK_STATE_NAMES, TICKET, UNIT_ROLES
from routing.storage import Ticket
from routing.tickets import Actor, NoSuchTicket
from settings import ROOT
from tests.routing.life.conftest import ZHUJIAN, Office
from tests.routing.life.reading import everything_of


def test_every_name_in_the_tables_is_known() -> None:
    assert set(get_args(states.State)) == set(STATE_NAMES)
    assert set(get_args(states.TaskState)) == set(TASK_STATE_NAMES)
    assert set(get_args(states.Role)) == set(ROLE_NAMES)
    for table, known in ((TICKET, STATE_NAMES), (TASK, TASK_STATE_NAMES)):
        assert len({step.action for step in table}) == len(table)
        for step in table:
            assert {*step.sources, *step.to} <= set(known)
            assert step.rules and step.roles and step.name
            assert set(step.roles) <= set(ROLE_NAMES)


def test_every_state_is_reached_and_every_open_one_is_left() -> None:
    for table, first in ((TICKET, "draft"), (TASK, "dispatched")):
        reached = {first}
        while more := {to for step in table if reached & set(step.sources) for to in step.to} - reached:
            reached |= more
        assert reached == set(STATE_NAMES if table is TICKET else TASK_STATE_NAMES)
    for state in states.OPEN:
        assert any(state in step.sources and set(step.to) - {state} for step in TICKET)


def test_the_machine_decides_nothing_about_a_citizen() -> None:
    of_machine = {step.action for step in TICKET if "machine" in step.roles}
    assert not of_machine & {"accept", "refuse", "accept_return", "reject_return", "pass", "supervise", "end_mediation"}


def _somebody(role: str) -> Actor:
    return THE_MACHINE if role == "machine" else Actor("某人", role, ZHUJIAN if role in UNIT_ROLES else "")


@pytest.mark.parametrize("state", sorted(STATE_NAMES))
async def test_what_the_table_does_not_hold_is_refused(state: str, office: Office) -> None:
    ticket = await office.draft()
    async with office.centre.db.begin() as session:
        await session.execute(update(Ticket).where(Ticket.id == ticket.id).values(state=state))
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(NoSuchTicket):
        async with changing(office.centre, ticket.id, None, _somebody("discipline")):
            pass
    for role in ("machine", *(one for one in PERSONS if one != "discipline")):
        async with changing(office.centre, ticket.id, None, _somebody(role)) as change:
            for step in TICKET:
                try:
                    change.may(step.action)
                except NotAllowed as refused:
                    assert role not in step.roles and refused.rule and refused.field == "role"
                except IllegalTransition as refused:
                    assert state not in step.sources and refused.rule in step.rules
                    assert STATE_NAMES[state] in str(refused)
                else:
                    assert role in step.roles and state in step.sources
                assert (step.action in states.possible(state, role)) == (role in step.roles and state in step.sources)
    assert await everything_of(office.centre.db, ticket.id) == before


@pytest.mark.parametrize(
    "actor",
    [
        Actor("", "agent"),
        Actor("某人\x00", "agent"),
        Actor("名" * 101, "agent"),
        Actor("某人", "wizard"),
        Actor("某人", "telecom_admin"),
        Actor("某人", "auditor"),
        Actor("某人", "unit_clerk"),
        Actor("某人", "unit_clerk", "yz.nobody"),
        Actor("某人", "agent", ZHUJIAN),
        Actor("某人", "center_office", ZHUJIAN),
    ],
    ids=lambda actor: f"{actor.role}-{actor.unit or 'none'}-{len(actor.name)}",
)
async def test_an_actor_that_cannot_be_changes_nothing(actor: Actor, office: Office) -> None:
    ticket = await office.accepted()
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(LawError) as refused:
        async with changing(office.centre, ticket.id, ticket.version, actor) as change:
            change.record("note", why="不应写下")
    assert refused.value.rule and refused.value.field
    assert await everything_of(office.centre.db, ticket.id) == before


async def test_the_desks_supervisor_has_the_rights_of_the_shifts_manager(office: Office) -> None:
    ticket = await office.accepted()
    async with changing(office.centre, ticket.id, ticket.version, Actor("班长", "supervisor")) as change:
        change.transition("supervise", why="群众关注")
    assert (await office.ticket(ticket.id)).version == ticket.version + 1


def test_the_documents_diagram_is_current() -> None:
    written = (ROOT / "docs" / "ticket-states.md").read_text(encoding="utf-8")
    assert written == as_markdown(), "run: server.py ticket states > docs/ticket-states.md"
    for table in (TICKET, TASK):
        assert all(f"| `{step.action}` | {step.name} |" in written for step in table)
