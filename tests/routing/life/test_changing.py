"""Two people at once, many at once, and a crash in the middle: one wins, the others are told, nothing is half done."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest
from sqlalchemy import select

from routing.dispatching import splitting
from routing.life import dispatch, extending, handling, returning
from routing.life.changing import changing, changing_two
from routing.life.errors import BadTime, BadValue, IllegalTransition
from routing.life.tables import Return, Task
from routing.secrecy.keys import Keys
from routing.secrecy.marking import set_secrecy
from routing.secrecy.view import view
from routing.storage import Ticket
from routing.ticket_errors import NoSuchTicket, TicketChanged, TicketError
from routing.tickets import Actor, edit
from settings import ROOT
from tests.routing.conftest import Empty
from tests.routing.life.conftest import AGENT, CLERK, MANAGER, OFFICE, ZHIFA, ZHUJIAN, Office
from tests.routing.life.reading import everything_of, history_of, tasks_of


async def test_two_clerks_sign_at_once_and_one_is_told(office: Office) -> None:
    ticket = await office.dispatched()
    second = Actor("周乙", "unit_clerk", ZHUJIAN)
    results = await asyncio.gather(
        *(handling.sign(office.centre, ticket.id, ticket.version, one) for one in (CLERK, second)),
        return_exceptions=True,
    )
    winners = [one for one in results if isinstance(one, Ticket)]
    losers = [one for one in results if not isinstance(one, Ticket)]
    assert len(winners) == 1 and [type(one) for one in losers] == [TicketChanged]
    signed = [line for line in await history_of(office.centre.db, ticket.id) if line.field == "state"][-1]
    task = await office.task_of(ticket)
    assert signed.actor == task.received_by in (CLERK.name, second.name)
    assert (await office.ticket(ticket.id)).version == ticket.version + 1


async def test_of_many_who_dispatch_at_once_one_wins(office: Office) -> None:
    ticket = await office.accepted()
    units = [unit for unit in office.centre.jurisdiction.units if unit.startswith("yz.")][:16]
    results = await asyncio.gather(
        *(
            dispatch.dispatch(office.centre, ticket.id, ticket.version, Actor(f"坐席{n}", "agent"), lead=unit)
            for n, unit in enumerate(units)
        ),
        return_exceptions=True,
    )
    assert len([one for one in results if isinstance(one, Ticket)]) == 1
    assert all(isinstance(one, (Ticket, TicketChanged)) for one in results)
    (task,) = await tasks_of(office.centre.db, ticket.id)
    assert (await office.ticket(ticket.id)).lead_unit == task.unit


async def test_many_changes_one_after_another_lose_none(office: Office) -> None:
    ticket = await office.dispatched()

    async def note(number: int) -> None:
        while True:
            seen = await office.ticket(ticket.id)
            try:
                async with changing(office.centre, ticket.id, seen.version, AGENT) as change:
                    change.transition("note", why=f"第{number}次")
                return
            except TicketChanged:
                continue

    await asyncio.gather(*(note(number) for number in range(10)))
    lines = [line for line in await history_of(office.centre.db, ticket.id) if line.action == "note"]
    assert sorted(line.why for line in lines) == sorted(f"第{number}次" for number in range(10))
    assert len({line.version for line in lines}) == 10


async def test_an_older_version_is_refused_and_changes_nothing(office: Office) -> None:
    ticket = await office.dispatched()
    await handling.sign(office.centre, ticket.id, ticket.version, CLERK)
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(TicketChanged):
        await returning.return_task(office.centre, ticket.id, ticket.version, CLERK, reason="不属于本单位")
    assert await everything_of(office.centre.db, ticket.id) == before


async def test_an_error_in_the_middle_leaves_nothing_half_done(office: Office) -> None:
    ticket = await office.dispatched()
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(ZeroDivisionError):
        async with changing(office.centre, ticket.id, ticket.version, CLERK) as change:
            change.task_transition(change.own, "sign")
            change.transition("sign")
            await change.session.flush()
            _ = 1 / 0
    assert await everything_of(office.centre.db, ticket.id) == before


_DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from routing.centre import Centre
from routing.jurisdiction import load
from routing.law.calendar import Calendar
from routing.life.changing import changing
from routing.secrecy.keys import Keys
from routing.storage import Database
from routing.tickets import Actor

async def main():
    url, ticket_id, version = sys.argv[1], sys.argv[2], int(sys.argv[3])
    law = load(Path("config/jurisdictions/yazhou.yaml"))
    database = Database(url, keys=Keys(Path(sys.argv[4])))
    centre = Centre(database, law, Calendar.load(Path("config/calendars"), law.calendars))
    async with changing(centre, ticket_id, version, Actor("周采编", "unit_clerk", "yz.zhujian")) as change:
        change.task_transition(change.own, "sign")
        change.transition("sign")
        await change.session.flush()
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_process_that_is_killed_in_the_middle_leaves_nothing_half_done(
    office: Office, migrated: Empty, keys: Keys
) -> None:
    ticket = await office.dispatched()
    before = await everything_of(office.centre.db, ticket.id)
    command = [sys.executable, "-c", _DIES, migrated.url, ticket.id, str(ticket.version), str(keys.file)]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert await everything_of(office.centre.db, ticket.id) == before
    signed = await handling.sign(office.centre, ticket.id, ticket.version, CLERK)
    assert signed.state == "in_hand"


async def test_a_ticket_of_another_jurisdiction_does_not_exist_here(office: Office, open_office) -> None:  # type: ignore[no-untyped-def]
    ticket = await office.accepted()
    with pytest.raises(NoSuchTicket):
        async with changing(open_office("turpan").centre, ticket.id, ticket.version, AGENT):
            pass
    with pytest.raises(NoSuchTicket):
        async with changing(office.centre, "nothing", 1, AGENT):
            pass


async def test_nobody_changes_a_ticket_that_does_not_exist_for_them(office: Office) -> None:
    ticket = await office.dispatched()
    inspector = Actor("韩干事", "discipline", "yz.jiwei")
    with pytest.raises(NoSuchTicket):
        await extending.tell_caller(office.centre, ticket.id, ticket.version, inspector, what="正在办理")
    async with office.centre.db.begin() as session:
        (await session.get_one(Ticket, ticket.id)).restricted_to = "yz.jiwei"
    for actor in (MANAGER, OFFICE, CLERK):
        with pytest.raises(NoSuchTicket):
            await set_secrecy(office.centre, ticket.id, ticket.version, actor, identity=True, content=True)
    assert (
        await set_secrecy(office.centre, ticket.id, ticket.version, AGENT, identity=True, content=True)
    ).content_secret


async def test_errors_repeat_the_beginning_of_what_was_given_on_one_line(office: Office) -> None:
    ticket = await office.dispatched()
    given = "\x1b[31m我的电话\n" * 1000
    attempts = [
        handling.sign(office.centre, given, 1, CLERK),
        handling.sign(office.centre, ticket.id, ticket.version, Actor("甲", given)),
        handling.sign(office.centre, ticket.id, ticket.version, Actor("甲", "unit_clerk", given)),
        handling.sign(office.centre, ticket.id, ticket.version, Actor("甲", "agent", given)),
        edit(office.centre.db, given, 1, {}, AGENT),
        edit(office.centre.db, ticket.id, 1, {given: "x"}, AGENT),
        edit(office.centre.db, ticket.id, 1, {"matter": given[5:50]}, AGENT, jurisdiction=office.centre.jurisdiction),
        edit(office.centre.db, ticket.id, 1, {"event": 5}, AGENT),  # type: ignore[dict-item]
        splitting.split(office.centre, given, 1, AGENT, {"event": "x"}),
        view(office.centre, given, AGENT),
    ]
    for attempt in attempts:
        with pytest.raises(TicketError) as refused:
            await attempt
        said = str(refused.value)
        assert len(said) < 500 and not set(said) & set("\x1b\n"), said


async def test_nothing_happens_before_the_ticket_was_there(office: Office) -> None:
    ticket = await office.dispatched()
    office.clock.forward(minutes=-1)
    with pytest.raises(BadTime):
        await handling.sign(office.centre, ticket.id, ticket.version, CLERK)


async def test_two_tickets_change_together_or_not_at_all(office: Office) -> None:
    first, second = await office.accepted(), await office.accepted()
    for one, other in ((first, second), (second, first)):
        async with changing_two(office.centre, (one.id, None), (other.id, None), MANAGER) as (this, that):
            assert (this.ticket.id, that.ticket.id) == (one.id, other.id)
            this.transition("link", after=that.ticket.serial)
            that.transition("link", after=this.ticket.serial)
    before = [await everything_of(office.centre.db, one.id) for one in (first, second)]
    with pytest.raises(IllegalTransition):
        async with changing_two(office.centre, (first.id, None), (second.id, None), MANAGER) as (this, that):
            this.transition("link", after=that.ticket.serial)
            that.transition("accept")
    assert [await everything_of(office.centre.db, one.id) for one in (first, second)] == before
    with pytest.raises(BadValue):
        async with changing_two(office.centre, (first.id, None), (first.id, None), MANAGER):
            pass


async def test_pairs_that_are_changed_crosswise_do_not_wait_for_each_other(office: Office) -> None:
    first, second = await office.accepted(), await office.accepted()

    async def link(one: Ticket, other: Ticket) -> None:
        async with changing_two(office.centre, (one.id, None), (other.id, None), MANAGER) as (this, that):
            this.transition("link", after=that.ticket.serial)
            await asyncio.sleep(0)
            that.transition("link", after=this.ticket.serial)

    await asyncio.gather(*(link(*pair) for pair in ((first, second), (second, first)) * 5))
    assert (await office.ticket(first.id)).version == first.version + 10


async def test_a_return_and_a_signature_at_once(office: Office) -> None:
    ticket = await office.dispatched()
    results = await asyncio.gather(
        handling.sign(office.centre, ticket.id, ticket.version, CLERK),
        returning.return_task(office.centre, ticket.id, ticket.version, CLERK, reason="不属于本单位职责"),
        dispatch.add_assisting(office.centre, ticket.id, ticket.version, AGENT, unit=ZHIFA),
        return_exceptions=True,
    )
    assert len([one for one in results if isinstance(one, Ticket)]) == 1
    async with office.centre.db.session() as session:
        returns = len(list(await session.scalars(select(Return))))
        units = len(list(await session.scalars(select(Task))))
    ticket = await office.ticket(ticket.id)
    assert (ticket.state, returns, units) in {("in_hand", 0, 1), ("returning", 1, 1), ("dispatched", 0, 2)}
