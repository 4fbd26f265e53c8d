"""What the other documents ask for beyond Yazhou's: encryption and a tracker (YL-23), hidden staff (TP-37)."""

from __future__ import annotations

import pytest

from routing.centre import Centre
from routing.history import line
from routing.jurisdiction import load
from routing.law.calendar import Calendar
from routing.life.errors import BadValue, Missing
from routing.life.tables import Task
from routing.secrecy.marking import marks, set_secrecy
from routing.secrecy.view import STAFF, view
from routing.storage import Database, Ticket
from routing.tickets import Actor
from settings import ROOT
from tests.routing.secrecy.conftest import MANAGER, NOW, WANG, Clockwork


async def _centre(database: Database, clockwork: Clockwork, name: str) -> tuple[Centre, str, Actor]:
    """A centre of another jurisdiction, a ticket in it, and a clerk of the unit that has it."""
    law = load(ROOT / "config" / "jurisdictions" / f"{name}.yaml")
    centre = Centre(database, law, Calendar.load(ROOT / "config" / "calendars"), clockwork)
    unit = next(iter(law.units))
    async with database.begin() as session:
        ticket = Ticket(
            serial=f"{law.prefix}1",
            jurisdiction=name,
            state="in_hand",
            accepted_by=WANG.name,
            created_at=NOW,
            updated_at=NOW,
        )
        session.add(ticket)
        await session.flush()
        session.add(line(ticket, NOW, MANAGER.name, "dispatch", field="state", before="accepted", after="dispatched"))
        session.add(line(ticket, NOW, "阿采编 a1", "sign", field="state", before="dispatched", after="in_hand"))
        session.add(Task(ticket_id=ticket.id, unit=unit, role="lead", dispatched_at=NOW, dispatched_by=MANAGER.name))
    return centre, ticket.id, Actor("阿采编 a1", "unit_clerk", unit)


async def test_yangling_encrypts_its_kinds_and_names_who_follows(database: Database, clockwork: Clockwork) -> None:
    centre, ticket_id, clerk = await _centre(database, clockwork, "yangling")
    marked = {"identity": False, "content": False, "category": "商业秘密"}
    with pytest.raises(Missing, match="跟踪落实的专人"):
        await set_secrecy(centre, ticket_id, 1, WANG, **marked)
    with pytest.raises(BadValue, match="须加密派转的种类"):
        await set_secrecy(centre, ticket_id, 1, WANG, **marked | {"category": "八卦"}, tracker="李专员")
    ticket = await set_secrecy(centre, ticket_id, 1, WANG, **marked, tracker="李专员")
    assert (ticket.content_secret, ticket.version) == (True, 2)
    (mark,) = await marks(centre, ticket_id)
    assert (mark.category, mark.tracker) == ("商业秘密", "李专员")
    assert (await view(centre, ticket_id, clerk)).fields["event"].sight == "on_request"


async def test_turpan_hides_who_handled_it_from_other_people(database: Database, clockwork: Clockwork) -> None:
    centre, ticket_id, clerk = await _centre(database, clockwork, "turpan")
    assert [one.actor for one in (await view(centre, ticket_id, clerk)).history] == [STAFF, clerk.name]
    auditor = Actor("审计员 au1", "auditor")
    assert {one.actor for one in (await view(centre, ticket_id, auditor)).history} == {STAFF}
    assert [one.actor for one in (await view(centre, ticket_id, MANAGER)).history] == [MANAGER.name, clerk.name]


async def test_yazhou_does_not_hide_them(database: Database, clockwork: Clockwork) -> None:
    centre, ticket_id, clerk = await _centre(database, clockwork, "yazhou")
    assert [one.actor for one in (await view(centre, ticket_id, clerk)).history] == [MANAGER.name, clerk.name]
