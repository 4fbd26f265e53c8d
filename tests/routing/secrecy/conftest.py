"""A centre at a fixed moment, with one ticket of one call in it, dispatched to one unit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from routing.centre import Centre
from routing.history import MACHINE, line
from routing.jurisdiction import Jurisdiction
from routing.law.calendar import Calendar
from routing.life.tables import Submission, Task
from routing.storage import Call, Database, FieldValue, Ticket, Utterance, blank_fields
from routing.tickets import Actor
from settings import ROOT

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
NUMBER, CALLBACK, NAME = "13800000001", "13976543210", "符大明"
WORDS = "保港村口有人偷排污水"

WANG = Actor("王坐席 8001", "agent")
LI = Actor("李坐席 8002", "agent")
MANAGER = Actor("陈班长 8004", "shift_manager")
OFFICE = Actor("周主任 9001", "center_office")
CLERK = Actor("符采编 zjj1", "unit_clerk", "yz.zhujian")
OTHER_CLERK = Actor("黎采编 swj1", "unit_clerk", "yz.jiwei")
DISCIPLINE = Actor("韩干事 jw1", "discipline", "yz.jiwei")
LEADER = Actor("区领导 ld1", "district_leadership")
AUDITOR = Actor("审计员 au1", "auditor")
ADMIN = Actor("通信管理员 ta1", "telecom_admin")


@dataclass
class Clockwork:
    """The simulated time of the centre."""

    at: datetime = field(default=NOW)

    def __call__(self) -> datetime:
        return self.at

    def passes(self, time: timedelta) -> None:
        self.at += time


@pytest.fixture
def clockwork() -> Clockwork:
    return Clockwork()


@pytest.fixture
def centre(database: Database, yazhou: Jurisdiction, clockwork: Clockwork) -> Centre:
    calendar = Calendar.load(ROOT / "config" / "calendars")
    return Centre(db=database, jurisdiction=yazhou, calendar=calendar, now=clockwork)


def said(value: str) -> FieldValue:
    """What an agent wrote into a field."""
    return FieldValue(value=value, source="agent", words=[], confidence=None, utterances=[], by=WANG.name)


async def place(centre: Centre, number: int = 1, *, state: str = "in_hand", caller: str = NUMBER) -> str:
    """A ticket with all that can be confidential, in the database; its id."""
    at = centre.now() - timedelta(hours=1)
    call_id = f"c{number}"
    fields = blank_fields() | {
        "person": said(NAME),
        "callback_number": said(CALLBACK),
        "event": said(f"{WORDS}，{NAME}电话{CALLBACK}"),
        "demand": said("要求处理"),
        "place": said("保港村18号"),
    }
    async with centre.db.begin() as session:
        session.add(Call(call_id=call_id, caller_number=caller, caller_name=NAME, arrived_at=at, agent="8001"))
        await session.flush()
        session.add(
            Utterance(
                call_id=call_id,
                speaker="caller",
                tap_id=f"t{number}",
                number=1,
                at=at,
                text=WORDS,
                start=0.5,
                end=2.5,
                confidence=0.9,
                words=[{"text": WORDS, "start": 0.5, "end": 2.5, "confidence": 0.9}],
            )
        )
        ticket = Ticket(
            serial=f"YZ20261120{number:06d}",
            call_id=call_id,
            jurisdiction="yazhou",
            state=state,
            created_at=at,
            updated_at=at,
            caller_number=caller,
            fields=fields,
            proposals={"matter": [{"id": "sewage", "name": "污水", "score": 1, "words": [WORDS], "reason": WORDS}]},
            accepted_by="" if state == "draft" else WANG.name,
            lead_unit="yz.zhujian",
        )
        session.add(ticket)
        await session.flush()
        session.add(line(ticket, at, MACHINE, "opened", after=ticket.serial, why=f"来电 {caller}"))
        session.add(line(ticket, at, MACHINE, "filled", field="event", after=WORDS, why=f"来电说到“{WORDS}”"))
        session.add(line(ticket, at, WANG.name, "accept", field="state", before="draft", after="accepted"))
        if state != "draft":
            task = Task(
                ticket_id=ticket.id,
                unit="yz.zhujian",
                role="lead",
                state="accepted",
                dispatched_at=at,
                dispatched_by=WANG.name,
            )
            session.add(task)
            await session.flush()
            session.add(
                Submission(
                    ticket_id=ticket.id,
                    task_id=task.id,
                    unit="yz.zhujian",
                    at=at,
                    by=CLERK.name,
                    form={"outcome": f"已到保港村18号找{NAME}核实"},
                )
            )
        return ticket.id


@pytest.fixture
async def ticket_id(centre: Centre) -> AsyncIterator[str]:
    yield await place(centre)
