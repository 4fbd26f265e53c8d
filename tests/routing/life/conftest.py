"""A command centre whose clock the test moves, its people, and tickets brought as far as a test needs them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from routing.acceptance import open_scopes
from routing.centre import Centre
from routing.jurisdiction import Jurisdiction, load
from routing.law.calendar import Calendar
from routing.life import dispatch, handling, intake, reviewing, submitting
from routing.life.tables import Clock, Task
from routing.storage import Database, Ticket
from routing.tickets import Actor
from settings import ROOT
from tests.routing.life.reading import clocks_of, tasks_of, ticket_of

CHINA = ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=CHINA)
"""A Monday morning with four ordinary working days after it."""

AGENT = Actor("王坐席", "agent")
MANAGER = Actor("李班长", "shift_manager")
OFFICE = Actor("赵主任", "center_office")
ZHUJIAN, ZHIFA, HUANWEI = "yz.zhujian", "yz.zhifa", "yz.huanwei"
CLERK = Actor("周采编", "unit_clerk", ZHUJIAN)
LEADER = Actor("吴副局长", "unit_leader", ZHUJIAN)
HEAD = Actor("郑局长", "unit_head", ZHUJIAN)
OTHER_CLERK = Actor("孙采编", "unit_clerk", ZHIFA)

SOLVED = {
    "complaint": {"finding": "属实", "people": "已约谈责任人", "things": "已清理"},
    "report": {"finding": "不属实", "explanation": "经查不属实，已向举报人说明"},
    "help": {"reasonable": "合理合法", "solution": "已修好"},
    "consult": {"answer": "带身份证到政务中心办理", "answered": "已有效解答"},
    "suggestion": {"decision": "采纳", "finish_by": "2026年6月底"},
    "praise": {},
}
"""A form that is complete, by intent."""


class Hands:
    """The centre's clock: it shows what the test sets."""

    def __init__(self) -> None:
        self.at = MONDAY

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> datetime:
        """Let time pass: days, hours, minutes."""
        self.at += timedelta(**by)
        return self.at


class Office:
    """The centre at work, with shortcuts to where a test begins."""

    def __init__(self, centre: Centre, clock: Hands) -> None:
        self.centre = centre
        self.clock = clock

    async def draft(self, **values: str) -> Ticket:
        """A letter that nobody has accepted yet."""
        filled = {"event": "路灯坏了", "place": "保港", "intent": "complaint"} | values
        return await intake.open_ticket(self.centre, AGENT, channel=self._channel(), values=filled)

    async def accepted(self, handling_class: str = "urban_management", *, scope: str = "", **values: str) -> Ticket:
        """An accepted ticket; a report's caller was reminded. Where the scope is not to be seen: its first item."""
        ticket = await self.draft(**values)
        filled = {name: ticket.fields[name]["value"] for name in ("matter", "intent")}
        if not scope and (items := open_scopes(self.centre.jurisdiction, filled["matter"], filled["intent"])):
            scope = items[0].id
        return await intake.accept_draft(
            self.centre, ticket.id, ticket.version, AGENT, handling_class=handling_class, scope=scope, reminded=True
        )

    async def dispatched(
        self,
        handling_class: str = "urban_management",
        *,
        lead: str = ZHUJIAN,
        assisting: tuple[str, ...] = (),
        **values: str,
    ) -> Ticket:
        """A ticket with its units."""
        ticket = await self.accepted(handling_class, **values)
        return await dispatch.dispatch(self.centre, ticket.id, ticket.version, AGENT, lead=lead, assisting=assisting)

    async def in_hand(self, handling_class: str = "urban_management", *, clerk: Actor = CLERK, **more: str) -> Ticket:
        """The unit has called the caller and signed."""
        ticket = await self.dispatched(handling_class, lead=clerk.unit, **more)
        ticket = await handling.report_contact(self.centre, ticket.id, ticket.version, clerk, note="已联系")
        return await handling.sign(self.centre, ticket.id, ticket.version, clerk)

    async def submitted(self, handling_class: str = "urban_management", **more: str) -> Ticket:
        """A result waits for the centre's review."""
        ticket = await self.in_hand(handling_class, **more)
        return await self.submit(ticket)

    async def reviewed(self, handling_class: str = "urban_management", **more: str) -> Ticket:
        """A result that the centre has passed."""
        ticket = await self.submitted(handling_class, **more)
        return await reviewing.review_result(self.centre, ticket.id, ticket.version, OFFICE, passed=True)

    async def submit(self, ticket: Ticket, clerk: Actor = CLERK) -> Ticket:
        """Submit a complete form, and give every approval that is asked for."""
        form = SOLVED[ticket.intent]
        done = await submitting.submit_result(self.centre, ticket.id, ticket.version, clerk, form=form)
        for actor in (LEADER, HEAD):
            if done.state != "under_review":
                done = await submitting.approve(self.centre, done.id, done.version, actor)
        return done

    async def ticket(self, ticket_id: str) -> Ticket:
        """The ticket as it is stored."""
        return await ticket_of(self.centre.db, ticket_id)

    async def clock_of(self, ticket: Ticket, kind: str) -> Clock:
        """The ticket's newest clock of this kind."""
        return [one for one in await clocks_of(self.centre.db, ticket.id) if one.kind == kind][-1]

    async def task_of(self, ticket: Ticket, unit: str = ZHUJIAN) -> Task:
        """The newest task of this unit."""
        return [one for one in await tasks_of(self.centre.db, ticket.id) if one.unit == unit][-1]

    def _channel(self) -> str:
        channels = self.centre.jurisdiction.law_at(self.clock.at).channels
        return channels.names[0] if channels else "电话"


@cache
def jurisdiction(name: str) -> Jurisdiction:
    """A shipped jurisdiction, read once: it is never changed."""
    return load(ROOT / "config" / "jurisdictions" / f"{name}.yaml")


@pytest.fixture
def open_office(database: Database) -> Callable[..., Office]:
    """Opens the centre of a jurisdiction: a name, or one that a test has changed."""

    def opened(law: str | Jurisdiction = "yazhou") -> Office:
        clock = Hands()
        found = jurisdiction(law) if isinstance(law, str) else law
        calendar = Calendar.load(ROOT / "config" / "calendars", found.calendars)
        return Office(Centre(database, found, calendar, clock), clock)

    return opened


@pytest.fixture
def office(open_office: Callable[..., Office]) -> Office:
    return open_office()
