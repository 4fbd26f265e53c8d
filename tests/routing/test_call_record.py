"""What events do to calls and drafts: the states, and what comes late, twice, out of turn or not at all."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivr.events import Event
from routing import drafts, tickets
from routing.call_record import Touched, apply
from routing.jurisdiction import Jurisdiction
from routing.storage import Call, Database, Ticket
from tests.routing.conftest import migrated_copy
from tests.routing.told import SENTENCES, Told, at, inventory


class Applying:
    """Applies events one by one, each in a transaction of its own."""

    def __init__(self, database: Database, jurisdiction: Jurisdiction) -> None:
        self.database = database
        self._jurisdiction = jurisdiction

    async def __call__(self, *told: Event) -> tuple[Call, Ticket]:
        for event in told:
            await self.one(event)
        return await self.get()

    async def one(self, event: Event) -> list[Touched]:
        async with self.database.begin() as session:
            return await apply(session, event, self._jurisdiction)

    async def get(self, call_id: str = "c1") -> tuple[Call, Ticket]:
        call, ticket = await tickets.call(self.database, call_id), await tickets.ticket_of_call(self.database, call_id)
        assert call is not None and ticket is not None
        return call, ticket


@pytest.fixture
def applied(database: Database, yazhou: Jurisdiction) -> Applying:
    return Applying(database, yazhou)


@pytest.fixture
async def quickly_applied(migrated_file: Path, tmp_path: Path, yazhou: Jurisdiction) -> AsyncIterator[Applying]:
    """On SQLite only, for tables of cases that have nothing to do with the database."""
    database = Database(await migrated_copy(migrated_file, tmp_path))
    yield Applying(database, yazhou)
    await database.close()


async def test_a_whole_call(applied: Applying) -> None:
    c = Told()
    call, ticket = await applied(c.arrived())
    assert (call.state, call.caller_number, call.node) == ("arriving", "13800000001", "node-a")
    assert (ticket.state, ticket.caller_number, ticket.called_number) == ("draft", "13800000001", "12345")
    assert ticket.created_at == call.arrived_at == at(0)
    call, _ = await applied(c.queued())
    assert (call.state, call.queue, call.position, call.queued_at) == ("waiting", "general", 2, at(1))
    call, _ = await applied(c.ringing())
    assert (call.state, call.agent, call.answered_at) == ("ringing", "8001", None)
    call, _ = await applied(c.answered())
    assert (call.state, call.agent, call.answered_at, call.position) == ("talking", "8001", at(5), 0)
    said = [c.said(number, text) for number, text in enumerate(SENTENCES, start=1)]
    _, ticket = await applied(*said)
    assert {name: field["value"] for name, field in ticket.fields.items()} == {
        "time": "2026-11-19 起",
        "place": "保港",
        "person": "姓符",
        "event": "保港的路灯坏了两天了",
        "demand": "",
        "callback_number": "13876509214",
        "intent": "help",
        "urgency": "normal",
        "matter": "street_lamp",
        "functional_unit": "yz.zhujian",
        "territorial_unit": "yz.dsq.baogang",
    }
    place = ticket.fields["place"]
    second = (await tickets.utterances(applied.database, "c1"))[1]
    assert (place["source"], place["words"], place["utterances"], place["by"]) == (
        "machine",
        ["保港"],
        [second.id],
        "machine",
    )
    call, _ = await applied(c.left())
    assert (call.state, call.agent) == ("waiting", "8001")
    call, ticket = await applied(c.ended())
    assert (call.state, call.ended_by, call.cause, call.ended_at) == ("ended", "caller", 16, at(60))
    assert ticket.attention == ""


async def test_history_says_why(applied: Applying) -> None:
    _, ticket = await applied(Told().arrived(), Told().said(1, "保港 的 路灯 坏了"))
    opened, *filled = await tickets.history(applied.database, ticket.id)
    assert (opened.action, opened.after, opened.version) == ("opened", ticket.serial, 1)
    assert {change.action for change in filled} == {"filled"} and {change.actor for change in filled} == {"machine"}
    by_field = {change.field: change for change in filled}
    assert "“保港”" in by_field["place"].why
    assert "“路灯坏”" in by_field["functional_unit"].why and "第九条（四）" in by_field["functional_unit"].why
    assert by_field["territorial_unit"].rule == "第十四条（二）"
    assert len(by_field) == len(filled)


async def test_what_a_caller_takes_back_is_emptied(applied: Applying) -> None:
    c = Told()
    _, ticket = await applied(c.arrived(), c.said(1, "水南村 停水 了"))
    assert ticket.fields["territorial_unit"]["value"] == "yz.cun.shuinan"
    _, ticket = await applied(c.said(2, "不是 水南村"))
    assert ticket.fields["place"]["value"] == ticket.fields["territorial_unit"]["value"] == ""
    *_, last = [line for line in await tickets.history(applied.database, ticket.id) if line.field == "place"]
    assert (last.before, last.after, last.why) == ("水南村", "", "来电人更正后不再成立")


async def test_nothing_new_said_makes_no_new_version(applied: Applying) -> None:
    c = Told()
    _, before = await applied(c.arrived(), c.said(1, "保港 的 路灯 坏了"))
    _, after = await applied(c.said(2, "嗯"), c.said(1, "好的", speaker="agent"))
    assert after.version == before.version


TURNS = [
    (["arrived", "queued"], "waiting"),
    (["arrived", "ringing"], "ringing"),
    (["arrived", "queued", "ringing", "queued2"], "waiting"),
    (["arrived", "answered"], "talking"),
    (["arrived", "answered", "queued"], "talking"),
    (["arrived", "answered", "ringing2"], "talking"),
    (["arrived", "answered", "left"], "waiting"),
    (["arrived", "answered", "answered2", "left"], "talking"),
    (["arrived", "answered", "left", "ringing2", "answered2"], "talking"),
    (["arrived", "answered", "ended", "left"], "ended"),
    (["arrived", "ended", "queued", "ringing", "answered", "arrived"], "ended"),
    (["ended", "arrived"], "ended"),
    (["answered"], "talking"),
    (["queued", "arrived"], "waiting"),
    (["said"], "arriving"),
    (["listening"], "arriving"),
]


@pytest.mark.parametrize(("turns", "state"), TURNS, ids=[" ".join(turns) for turns, _ in TURNS])
async def test_states(turns: list[str], state: str, quickly_applied: Applying) -> None:
    c = Told()
    made: dict[str, Event] = {
        "arrived": c.arrived(),
        "queued": c.queued(),
        "queued2": c.queued(30),
        "ringing": c.ringing(),
        "ringing2": c.ringing("8002", 40),
        "answered": c.answered(),
        "answered2": c.answered("8002", 45),
        "left": c.left(),
        "ended": c.ended(),
        "said": c.said(1, "喂"),
        "listening": c.listening(),
    }
    call, ticket = await quickly_applied(*(made[turn] for turn in turns))
    assert call.state == state
    assert ticket.state == "draft"
    if "arrived" in turns:
        assert (call.arrived_at, call.caller_number, ticket.caller_number) == (at(0), "13800000001", "13800000001")
    if "answered" in turns:
        assert call.answered_at == at(5)


async def test_events_in_any_order_lose_nothing(applied: Applying) -> None:
    chance = random.Random(12345)
    for number in range(6):
        c = Told(f"c{number}")
        events = c.whole_call()
        chance.shuffle(events)
        for event in events:
            await applied.one(event)
        call, ticket = await applied.get(c.call_id)
        assert (call.state, call.answered_at, call.queued_at, call.ended_at) == ("ended", at(5), at(1), at(60))
        assert len(await tickets.utterances(applied.database, c.call_id)) == 6
        assert ticket.fields["place"]["value"] == "保港"
        assert ticket.fields["callback_number"]["value"] == "13876509214"
        assert ticket.attention == ""


async def test_listening(applied: Applying) -> None:
    c = Told()
    call, _ = await applied(c.arrived(), c.listening(), c.listening("agent"))
    on = {"state": "on", "model": "demo", "detail": "", "taps": {"t1": at(3).isoformat()}}
    assert call.listening == {"caller": on, "agent": on}
    call, _ = await applied(c.deaf("agent"))
    deaf = on | {"state": "overloaded", "detail": "why"}
    assert call.listening == {"caller": on, "agent": deaf}
    # Taken back, the leg tells the same tap again: its audio began when it was first told.
    again = c.listening("agent", 9).model_copy(update={"event_id": "again"})
    call, _ = await applied(again)
    assert call.listening == {"caller": on, "agent": on}


ENDS = [
    (["arrived", "ended"], "abandoned"),
    (["arrived", "queued", "ringing", "ended"], "abandoned"),
    (["arrived", "said", "ended"], "spoke_unanswered"),
    (["arrived", "answered", "ended"], "no_transcript"),
    (["arrived", "answered", "said", "ended"], ""),
    (["arrived", "ended", "said"], "spoke_unanswered"),
    (["arrived", "answered", "ended", "said"], ""),
    (["arrived", "answered", "ended", "agent_said"], "no_transcript"),
    (["arrived", "answered", "said", "unseen"], "call_ended_unseen"),
    (["arrived", "said", "unseen", "ended"], "spoke_unanswered"),
    (["arrived", "answered", "said", "inventory"], "call_ended_unseen"),
    (["arrived", "answered", "said", "inventory", "ended"], ""),
    (["arrived", "answered", "said", "ended", "inventory", "unseen"], ""),
]


@pytest.mark.parametrize(("turns", "attention"), ENDS, ids=[" ".join(turns) for turns, _ in ENDS])
async def test_who_has_to_look(turns: list[str], attention: str, quickly_applied: Applying) -> None:
    c = Told()
    made: dict[str, Event] = {
        "arrived": c.arrived(),
        "queued": c.queued(),
        "ringing": c.ringing(),
        "answered": c.answered(),
        "said": c.said(1, "保港的路灯坏了"),
        "agent_said": c.said(1, "您好", speaker="agent"),
        "ended": c.ended(),
        "unseen": c.ended(unseen=True),
        "inventory": inventory(),
    }
    call, ticket = await quickly_applied(*(made[turn] for turn in turns))
    assert (call.state, ticket.attention) == ("ended", attention)
    assert attention == "" or attention in tickets.ATTENTION
    if attention in tickets.MISSED:
        *_, last = await tickets.history(quickly_applied.database, ticket.id)
        assert last.rule == "国办函〔2025〕66号"


async def test_an_inventory_ends_only_what_it_should(applied: Applying) -> None:
    mine, listed, later, elsewhere = Told("mine"), Told("listed"), Told("later"), Told("elsewhere", "node-b")
    gone, ended = Told("gone-node-unknown"), Told("ended")
    for event in (
        mine.arrived(),
        mine.said(1, "保港的路灯坏了"),
        listed.arrived(),
        later.arrived(101),
        elsewhere.arrived(),
        gone.said(1, "喂", seconds=-7 * 3600),
        ended.arrived(),
        ended.said(1, "喂"),
        ended.answered(),
        ended.ended(),
    ):
        await applied.one(event)
    touched = await applied.one(inventory("listed"))
    assert {one.call_id for one in touched} == {"mine", "gone-node-unknown"}
    states = {one.call_id: (one.state, one.unseen) for one in await tickets.calls(applied.database)}
    assert states == {
        "mine": ("ended", True),
        "listed": ("arriving", False),
        "later": ("arriving", False),
        "elsewhere": ("arriving", False),
        "gone-node-unknown": ("ended", True),
        "ended": ("ended", False),
    }
    listed_for_supervisor = await tickets.tickets(applied.database, attention=True)
    assert {one.call_id for one in listed_for_supervisor} == {"mine", "gone-node-unknown"}
    assert {one.attention for one in listed_for_supervisor} == {"call_ended_unseen"}


async def test_what_a_supervisor_took_off_the_list_stays_off(applied: Applying) -> None:
    c = Told()
    _, ticket = await applied(c.arrived(), c.answered(), c.said(1, "保港的路灯坏了"), inventory())
    await tickets.clear_attention(applied.database, ticket.id, ticket.version, tickets.Actor("李班长", "supervisor"))
    _, ticket = await applied(c.ended(unseen=True), inventory(seconds=200), c.said(2, "晚上 很 危险"))
    assert ticket.attention == ""


async def test_the_same_utterance_under_two_ids_is_kept_once(applied: Applying) -> None:
    c = Told()
    said = c.said(1, "保港的路灯坏了")
    await applied(c.arrived(), said, said.model_copy(update={"event_id": "another"}))
    assert len(await tickets.utterances(applied.database, "c1")) == 1


async def test_a_transcript_that_cannot_be_read_is_kept(applied: Applying, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(drafts, "read", broken)
    _, ticket = await applied(Told().arrived(), Told().said(1, "保港的路灯坏了"))
    assert ticket.fields["place"]["value"] == ""
    assert [one.text for one in await tickets.utterances(applied.database, "c1")] == ["保港的路灯坏了"]


async def test_gaps_stay_in_the_transcript_and_out_of_the_ticket(applied: Applying) -> None:
    _, ticket = await applied(Told().arrived(), Told().said(1, "保港 的 路灯 [unk] 坏了 麻烦 [unk] 处理 一下"))
    assert [one.text for one in await tickets.utterances(applied.database, "c1")] == [
        "保港 的 路灯 [unk] 坏了 麻烦 [unk] 处理 一下"
    ]
    assert "[unk]" not in str(ticket.fields) and "[unk]" not in str(ticket.proposals)
