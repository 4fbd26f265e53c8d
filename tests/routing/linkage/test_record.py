"""The record of a linkage: each attempt, who was there when, how long the caller waited; late, twice, shuffled too."""

from __future__ import annotations

import random
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select

from ivr.events import Event
from routing import tickets
from routing.call_record import apply
from routing.jurisdiction import Jurisdiction
from routing.linkage.alarms import acknowledge, open_alarms
from routing.linkage.errors import NoSuchAlarm
from routing.linkage.reading import LinkageView, active_linkages, linkage_of, linkages
from routing.linkage.tables import Alarm, LineAttempt, LinkageLine, LinkagePresence
from routing.storage import Database, Ticket, ToldEvent
from routing.tickets import Actor
from tests.routing.linkage.told_linkage import ToldLinkage
from tests.routing.told import at


class Applying:
    """Applies events as the intake does: each once, in a transaction of its own."""

    def __init__(self, database: Database, law: Jurisdiction) -> None:
        self.database = database
        self.law = law

    async def __call__(self, *told: Event, call_id: str = "c1") -> tuple[LinkageView, Ticket]:
        for event in told:
            async with self.database.begin() as session:
                if await session.get(ToldEvent, event.event_id) is None:
                    await apply(session, event, self.law)
                    session.add(ToldEvent(event_id=event.event_id, at=event.at))
        view, ticket = await linkage_of(self.database, call_id), await tickets.ticket_of_call(self.database, call_id)
        assert view is not None and ticket is not None
        return view, ticket


@pytest.fixture
def applied(database: Database, yazhou: Jurisdiction) -> Applying:
    return Applying(database, yazhou)


def state_of(view: LinkageView, line: str = "119") -> str:
    return next(one.state for one in view.lines if one.row.line == line)


def facts(view: LinkageView) -> dict[str, Any]:
    """All that is recorded, without ids that are drawn."""
    kept = ("asked_at", "by", "who", "agent_at", "line_at", "ended_at", "recording")
    return {
        "row": [getattr(view.row, name) for name in kept],
        "lines": [(one.row.line, one.state, one.answer_seconds, one.row.exhausted_at) for one in view.lines],
        "attempts": [
            (a.line, a.attempt, a.outcome, a.began_at, a.rang_at, a.answered_at, a.ended_at)
            for one in view.lines
            for a in one.attempts
        ],
        "stays": sorted(((s.party, s.name, s.joined_at, s.left_at, s.reason) for s in view.stays), key=str),
    }


async def test_a_linkage_from_the_button_to_the_end(applied: Applying, database: Database) -> None:
    c = ToldLinkage()
    view, ticket = await applied(c.arrived(), c.answered(), c.asked("119", "120"))
    assert view.active and view.row.by == "agent" and view.row.who == "8001"
    assert [(one.row.line, one.state) for one in view.lines] == [("119", "asked"), ("120", "asked")]
    assert view.voice_seconds == 0, "an agent is with the caller already"
    assert ticket.fields["urgency"]["value"] == "guide"

    view, _ = await applied(c.joined("caller", "13800000001", 10.1), c.joined("agent", "8001", 10.1))
    assert [one.party for one in view.present] == ["caller", "agent"]
    view, _ = await applied(c.attempt("119", 1, "dialling", 10.2), c.attempt("120", 1, "dialling", 10.2))
    assert state_of(view) == "dialling"
    view, _ = await applied(c.attempt("119", 1, "ringing", 10.5))
    assert state_of(view) == "ringing"
    view, _ = await applied(c.attempt("119", 1, "busy", 11, cause=17, detail="SIP 486 Busy Here"))
    assert state_of(view) == "next_number"
    view, _ = await applied(c.attempt("119", 2, "dialling", 11.1), c.attempt("119", 2, "answered", 15))
    assert state_of(view) == "connected"
    view, _ = await applied(c.joined("line", "119", 15.2))
    assert state_of(view) == "connected" and view.lines[0].answer_seconds == 5
    view, _ = await applied(c.left_linkage("line", "119", 20), c.attempt("119", 2, "dropped", 20))
    assert state_of(view) == "redialling"
    view, _ = await applied(c.attempt("119", 3, "dialling", 22), c.attempt("119", 3, "answered", 24))
    view, _ = await applied(c.joined("line", "119", 24, channel="PJSIP/119-2"))
    assert state_of(view) == "connected"
    view, _ = await applied(c.muted("line", "119", 25))
    assert view.lines[0].muted
    view, _ = await applied(c.left_linkage("agent", "8001", 30, "left"))
    assert view.caller_without_agent
    assert await active_linkages(database, ["c1"])

    view, _ = await applied(c.ended_linkage(40, "2026/11/21/c1-link.wav"), c.ended(41))
    assert not view.active and view.row.ended_at == at(40)
    assert view.row.recording == "2026/11/21/c1-link.wav"
    assert [one.state for one in view.lines] == ["ended", "ended"]
    assert view.present == [] and all(stay.left_at is not None for stay in view.stays)
    assert await active_linkages(database, ["c1"]) == {}
    attempts = [(a.attempt, a.outcome, a.cause) for a in view.lines[0].attempts]
    assert attempts == [(1, "busy", 17), (2, "dropped", 0), (3, "answered", 0)]
    history = await tickets.history(database, view.row.ticket_id)
    acts = [(line.action, line.after) for line in history if line.action.startswith("linkage")]
    assert acts == [("linkage_asked", "119、120"), ("linkage_answered", "119")]
    assert all(line.rule for line in history if line.action.startswith("linkage"))
    found = await linkages(database, at(0), at(60))
    assert [(one.row.call_id, call.caller_number) for one, call in found] == [("c1", "13800000001")]


async def test_told_twice_it_is_recorded_once(applied: Applying) -> None:
    c = ToldLinkage()
    once = facts((await applied(*c.answered_at_once()))[0])
    twice = facts((await applied(*c.answered_at_once()))[0])
    assert once == twice


async def test_in_any_order_the_same_record(applied: Applying) -> None:
    """What is rebuilt may be told late; only the caller's arrival comes before all."""
    expected: dict[str, Any] = {}
    for number in range(12):
        c = ToldLinkage(f"c{number}")
        first, *rest = c.answered_at_once()
        if number:
            random.Random(number).shuffle(rest)
        view, _ = await applied(first, *rest, call_id=c.call_id)
        found = facts(view)
        # Whether an agent was there is read from the call's state at the asking, or from who joined.
        found["row"][3] = found["row"][3] is not None
        expected = expected or found
        assert found == expected, number


async def test_two_seconds_are_enough_for_a_ticket(applied: Applying) -> None:
    c = ToldLinkage()
    view, ticket = await applied(c.arrived(), c.asked("119", seconds=1, by="caller", via="digit", who=""), c.ended(2))
    assert view.row.ended_at == at(2) and view.voice_seconds is None
    assert ticket.state == "draft" and ticket.fields["urgency"]["value"] == "guide"
    assert ticket.fields["urgency"]["words"] == ["119"]
    assert ticket.attention == "abandoned"


async def test_words_do_not_take_the_class_back_but_an_agent_may(applied: Applying, database: Database) -> None:
    c = ToldLinkage()
    _, ticket = await applied(c.arrived(), c.asked("120"), c.said(1, "保港 的 路灯 坏了 两天 了"))
    assert ticket.fields["urgency"]["value"] == "guide" and ticket.fields["matter"]["value"] == "street_lamp"
    await tickets.edit(database, ticket.id, ticket.version, {"urgency": "normal"}, Actor("坐席一 8001", "agent"))
    _, ticket = await applied(c.asked("110", seconds=20), c.said(2, "谢谢"))
    assert ticket.fields["urgency"]["value"] == "normal" and ticket.fields["urgency"]["source"] == "agent"


async def test_a_line_that_nobody_answers(applied: Applying, database: Database) -> None:
    c = ToldLinkage()
    view, ticket = await applied(
        c.arrived(),
        c.answered(),
        c.asked("119"),
        c.attempt("119", 1, "unavailable", 11, detail="SIP 503"),
        c.attempt("119", 2, "no_answer", 31),
        c.exhausted("119", 31),
    )
    assert state_of(view) == "exhausted" and view.lines[0].row.told_caller
    assert ticket.attention == "line_exhausted"
    assert [(one.kind, one.line) for one in await open_alarms(database)] == [("line_exhausted", "119")]
    # Asked for again, it is dialled again.
    view, _ = await applied(c.asked("119", seconds=40))
    assert state_of(view) == "asked"
    view, _ = await applied(c.attempt("119", 1, "answered", 44, dialling="d2"), c.joined("line", "119", 44))
    assert state_of(view) == "connected"
    _, ticket = await applied(c.ended(60))
    assert ticket.attention == "line_exhausted", "the end of the call takes nothing off the list"


async def test_a_line_that_hangs_up_after_all_was_said(applied: Applying, database: Database) -> None:
    c = ToldLinkage()
    await applied(c.arrived(), c.answered(), c.asked("119"))
    view, ticket = await applied(
        c.attempt("119", 1, "answered", 12),
        c.attempt("119", 1, "dropped", 40),
        c.attempt("119", 2, "answered", 43),
        c.attempt("119", 2, "dropped", 90),
        c.exhausted("119", 90, told_caller=False),
    )
    assert state_of(view) == "ended" and view.active and view.lines[0].row.exhausted_at is None
    assert [one.outcome for one in view.lines[0].attempts] == ["dropped", "answered"]
    assert ticket.attention == "" and await open_alarms(database) == []
    history = await tickets.history(database, ticket.id)
    assert (history[-1].action, history[-1].why) == ("linkage_line_ended", "119 已结束")
    # Asked for again, nobody is there: that is one to be told of.
    view, ticket = await applied(
        c.asked("119", seconds=100),
        c.attempt("119", 1, "no_answer", 120, dialling="d2"),
        c.exhausted("119", 120, dialling="d2"),
    )
    assert state_of(view) == "exhausted" and ticket.attention == "line_exhausted"


@pytest.mark.parametrize("late", [False, True], ids=["in_turn", "told_after_the_end"])
async def test_who_pressed_the_key_and_was_gone_is_called_back(
    applied: Applying, database: Database, late: bool
) -> None:
    c = ToldLinkage()
    told = [c.key_pressed(3), c.ended(4)]
    async with database.begin() as session:
        for event in [c.arrived(), c.queued(), *(reversed(told) if late else told)]:
            await apply(session, event, applied.law)
    (alarm,) = await open_alarms(database)
    assert (alarm.kind, alarm.call_id, alarm.detail) == ("emergency_key", "c1", "138****0001")
    ticket = await tickets.ticket_of_call(database, "c1")
    assert ticket is not None and ticket.attention == "emergency_key" and ticket.attention in tickets.ATTENTION
    async with database.begin() as session:
        await apply(session, c.said(1, "救命"), applied.law)
    ticket = await tickets.ticket_of_call(database, "c1")
    assert ticket is not None and ticket.attention == "emergency_key", "late words take nothing off the list"


async def test_who_pressed_the_key_and_was_helped_raises_no_alarm(applied: Applying, database: Database) -> None:
    linked, talked = ToldLinkage("c1"), ToldLinkage("c2")
    async with database.begin() as session:
        for event in (
            *(linked.arrived(), linked.key_pressed(3)),
            *(linked.asked("119", seconds=5, by="trunk", who=""), linked.ended(9)),
            *(talked.arrived(), talked.key_pressed(3), talked.answered(seconds=5), talked.ended(60)),
        ):
            await apply(session, event, applied.law)
    assert await open_alarms(database) == []


async def test_who_pressed_the_key_when_the_bridge_died(applied: Applying, database: Database) -> None:
    from tests.routing.told import inventory

    c = ToldLinkage()
    async with database.begin() as session:
        for event in (c.arrived(), c.key_pressed(3), inventory()):
            await apply(session, event, applied.law)
    assert [one.kind for one in await open_alarms(database)] == ["emergency_key"]


async def test_alarms_are_raised_once_and_acknowledged_by_one(applied: Applying, database: Database) -> None:
    c = ToldLinkage()
    asked = c.asked("119", seconds=3, by="caller", via="digit", who="")
    await applied(c.arrived(), asked, asked, c.joined("caller", "13800000001", 3.1))
    (first,) = await open_alarms(database)
    assert (first.kind, first.detail, first.call_id) == ("caller_linkage", "119", "c1")
    assert (await acknowledge(database, first.id, "坐席一 8001")).acknowledged_by == "坐席一 8001"
    assert (await acknowledge(database, first.id, "坐席二 8002")).acknowledged_by == "坐席一 8001"
    assert await open_alarms(database) == []
    with pytest.raises(NoSuchAlarm):
        await acknowledge(database, 99999, "坐席一 8001")


async def test_an_agent_who_comes_settles_the_alarms_of_the_call(applied: Applying, database: Database) -> None:
    c = ToldLinkage()
    await applied(c.arrived(), c.asked("119", seconds=3, by="caller", via="digit", who=""))
    await applied(c.exhausted("119", 5), c.joined("agent", "8002", 9))
    assert [one.kind for one in await open_alarms(database)] == ["line_exhausted"]
    await applied(c.left_linkage("agent", "8002", 20, "dropped"))
    assert [one.kind for one in await open_alarms(database)] == ["agent_dropped", "line_exhausted"]
    await applied(c.joined("agent", "8003", 25))
    assert [one.kind for one in await open_alarms(database)] == ["line_exhausted"]


async def test_an_agent_who_leaves_by_their_own_act_raises_no_alarm(applied: Applying, database: Database) -> None:
    c = ToldLinkage()
    await applied(c.arrived(), c.answered(), c.asked("119"), c.joined("agent", "8001", 11))
    view, _ = await applied(c.left_linkage("agent", "8001", 20, "left"))
    assert await open_alarms(database) == [] and view.stays[-1].reason == "left"


async def test_what_was_rebuilt_says_so(applied: Applying, database: Database) -> None:
    c = ToldLinkage(rebuilt=True)
    view, _ = await applied(*c.answered_at_once())
    assert view.row.rebuilt and all(a.rebuilt for a in view.lines[0].attempts)
    assert all(stay.rebuilt for stay in view.stays)


async def test_an_event_whose_asking_was_lost_opens_the_record(applied: Applying) -> None:
    c = ToldLinkage()
    view, ticket = await applied(c.arrived(), c.attempt("119", 1, "answered", 12))
    assert state_of(view) == "connected" and view.row.by == ""
    view, ticket = await applied(c.asked("119", seconds=10))
    assert view.row.by == "agent" and view.row.asked_at == at(10)
    assert ticket.fields["urgency"]["value"] == "guide"


async def test_a_call_that_ended_unseen_ends_its_linkage(applied: Applying, database: Database) -> None:
    from tests.routing.told import inventory

    c = ToldLinkage()
    await applied(c.arrived(), c.answered(), c.asked("119"), c.joined("caller", "13800000001", 10))
    async with database.begin() as session:
        await apply(session, inventory(), applied.law)
    view = await linkage_of(database, "c1")
    assert view is not None and view.row.ended_at == at(100) and view.present == []


async def test_lines_are_taken_out(applied: Applying) -> None:
    c = ToldLinkage()
    await applied(c.arrived(), c.answered(), c.asked("119", "120"))
    view, _ = await applied(
        c.attempt("119", 1, "cancelled", 12),
        c.attempt("120", 1, "answered", 12),
        c.joined("line", "120", 12),
        c.left_linkage("line", "120", 20, "taken_out"),
    )
    assert [one.state for one in view.lines] == ["taken_out", "taken_out"]
    view, _ = await applied(c.attempt("120", 1, "cancelled", 20.1))
    assert [one.attempts[0].outcome for one in view.lines] == ["cancelled", "answered"], "120 had answered before"
    assert [one.state for one in view.lines] == ["taken_out", "taken_out"]


async def test_nothing_is_left_half_done(applied: Applying, database: Database) -> None:
    """A transaction that fails leaves neither rows nor an alarm."""
    c = ToldLinkage()
    await applied(c.arrived(), c.answered(), c.asked("119"))
    with pytest.raises(ZeroDivisionError):
        async with database.begin() as session:
            await apply(session, c.exhausted("119", 30), applied.law)
            _ = 1 / 0
    async with database.session() as session:
        assert (await session.scalars(select(Alarm))).all() == []
        assert (await session.scalars(select(LinkageLine.exhausted_at))).all() == [None]
        assert (await session.scalars(select(LineAttempt))).all() == []
        assert (await session.scalars(select(LinkagePresence))).all() == []


async def test_counted_once_and_only_what_was_committed(applied: Applying, database: Database) -> None:
    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0

    names: list[tuple[str, dict[str, str]]] = [
        ("hotline_linkages_total", {"by": "agent", "via": "desk"}),
        ("hotline_linkage_lines_total", {"line": "119"}),
        ("hotline_line_attempts_total", {"line": "119", "outcome": "answered"}),
        ("hotline_line_answer_seconds_count", {"line": "119"}),
    ]
    before = [counted(name, **labels) for name, labels in names]
    c = ToldLinkage()
    first, *rest = c.answered_at_once()
    await applied(first, *rest[:1], rest[1])
    with pytest.raises(ZeroDivisionError):
        async with database.begin() as session:
            await apply(session, c.attempt("119", 1, "answered", 13), applied.law)
            _ = 1 / 0
    await applied(*rest, *rest)
    assert [counted(name, **labels) - was for (name, labels), was in zip(names, before, strict=True)] == [1, 1, 1, 1]
