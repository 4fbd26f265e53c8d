"""What people do with tickets: edit, confirm, read; of several at once one wins, and the machine never overwrites."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from ivr.events import CallArrived, CallEnded, Utterance
from routing import tickets
from routing.call_record import apply
from routing.jurisdiction import Jurisdiction
from routing.life.errors import NotAllowed
from routing.storage import Call, Database, Ticket
from routing.tickets import Actor, AlreadyConfirmed, BadField, NoSuchTicket, TicketChanged

CALLED_AT = datetime(2026, 11, 21, 6, 5, tzinfo=UTC)
WANG = Actor("王坐席 8001", "agent")
LI = Actor("李班长 8004", "supervisor")


class Hotline:
    """Tells events as the intake does, without Redis between."""

    def __init__(self, database: Database, jurisdiction: Jurisdiction) -> None:
        self.database = database
        self.jurisdiction = jurisdiction
        self._spoken = 0

    async def arrives(self, call_id: str = "c1", number: str = "13800000001", minutes: float = 0) -> Ticket:
        at = CALLED_AT + timedelta(minutes=minutes)
        await self.tell(
            CallArrived(
                call_id=call_id,
                event_id=f"{call_id}:arrived",
                at=at,
                caller_number=number,
                called_number="12345",
                channel="PJSIP/x",
                uniqueid="1.1",
                node="a",
            )
        )
        return await self.ticket(call_id)

    async def says(self, text: str, call_id: str = "c1", speaker: str = "caller") -> Ticket:
        self._spoken += 1
        number = self._spoken
        said = {"call_id": call_id, "event_id": f"{call_id}:said:{number}", "speaker": speaker, "number": number}
        at = CALLED_AT + timedelta(seconds=number)
        said |= {"tap_id": f"{call_id}-{speaker}", "at": at, "text": text, "start": 1, "end": 2, "confidence": 0.9}
        await self.tell(Utterance.model_validate(said))
        return await self.ticket(call_id)

    async def ends(self, call_id: str = "c1") -> Ticket:
        at = CALLED_AT + timedelta(minutes=5)
        await self.tell(CallEnded(call_id=call_id, event_id=f"{call_id}:ended", at=at, by="caller", cause=16))
        return await self.ticket(call_id)

    async def tell(self, event: CallArrived | CallEnded | Utterance) -> None:
        async with self.database.begin() as session:
            await apply(session, event, self.jurisdiction)

    async def ticket(self, call_id: str = "c1") -> Ticket:
        found = await tickets.ticket_of_call(self.database, call_id)
        assert found is not None
        return found


@pytest.fixture
async def hotline(database: Database, yazhou: Jurisdiction) -> AsyncIterator[Hotline]:
    yield Hotline(database, yazhou)


async def test_an_edit_is_saved_with_its_history(hotline: Hotline) -> None:
    ticket = await hotline.arrives()
    edited = await tickets.edit(hotline.database, ticket.id, ticket.version, {"place": " 保港市场 \r\n"}, WANG)
    assert edited.version == ticket.version + 1
    assert edited.fields["place"] == {
        "value": "保港市场",
        "source": "agent",
        "words": [],
        "confidence": None,
        "utterances": [],
        "by": WANG.name,
    }
    *_, last = await tickets.history(hotline.database, ticket.id)
    assert (last.action, last.field, last.before, last.after) == ("edited", "place", "", "保港市场")
    assert (last.actor, last.version) == (WANG.name, edited.version)


async def test_saving_what_is_there_already_is_no_change(hotline: Hotline) -> None:
    ticket = await hotline.arrives()
    edited = await tickets.edit(hotline.database, ticket.id, ticket.version, {"place": "保港"}, WANG)
    again = await tickets.edit(hotline.database, ticket.id, edited.version, {"place": "保港"}, WANG)
    nothing = await tickets.edit(hotline.database, ticket.id, edited.version, {}, WANG)
    assert again.version == nothing.version == edited.version
    assert len(await tickets.history(hotline.database, ticket.id)) == 2


async def test_the_machine_leaves_a_persons_fields_alone(hotline: Hotline) -> None:
    ticket = await hotline.arrives()
    await tickets.edit(hotline.database, ticket.id, ticket.version, {"place": "", "matter": "manhole"}, WANG)
    ticket = await hotline.says("保港的路灯坏了")
    assert ticket.fields["place"]["value"] == ""
    assert ticket.fields["matter"]["value"] == "manhole"
    assert ticket.fields["functional_unit"]["value"] == "yz.zhujian"
    assert ticket.proposals["matter"][0]["id"] == "street_lamp"


async def test_an_edit_of_what_was_on_the_screen_before_the_machine_wrote_is_no_conflict(hotline: Hotline) -> None:
    seen = await hotline.arrives()
    filled = await hotline.says("保港的路灯坏了")
    assert filled.version > seen.version
    edited = await tickets.edit(hotline.database, seen.id, seen.version, {"place": "梅山"}, WANG)
    assert edited.fields["place"]["value"] == "梅山"
    assert edited.fields["matter"]["value"] == "street_lamp"


async def test_an_edit_of_a_field_that_another_person_changed_is_a_conflict(hotline: Hotline) -> None:
    seen = await hotline.arrives()
    await tickets.edit(hotline.database, seen.id, seen.version, {"place": "梅山"}, LI)
    with pytest.raises(TicketChanged) as lost:
        await tickets.edit(hotline.database, seen.id, seen.version, {"place": "保港"}, WANG)
    assert (lost.value.code, lost.value.field) == ("ticket_changed", "place")
    other_field = await tickets.edit(hotline.database, seen.id, seen.version, {"person": "王小明"}, WANG)
    assert other_field.fields["place"]["value"] == "梅山"


async def test_one_person_in_two_windows_is_no_conflict(hotline: Hotline) -> None:
    seen = await hotline.arrives()
    await tickets.edit(hotline.database, seen.id, seen.version, {"place": "梅山"}, WANG)
    edited = await tickets.edit(hotline.database, seen.id, seen.version, {"place": "保港"}, WANG)
    assert edited.fields["place"]["value"] == "保港"


async def test_confirming(hotline: Hotline) -> None:
    await hotline.arrives()
    ticket = await hotline.says("保港的路灯坏了")
    confirmed = await tickets.confirm(
        hotline.database, ticket.id, ticket.version, {"person": "王小明"}, WANG, jurisdiction=hotline.jurisdiction
    )
    assert (confirmed.state, confirmed.accepted_by) == ("accepted", WANG.name)
    assert confirmed.accepted_at is not None
    assert confirmed.fields["place"]["source"] == "machine"
    assert [change.action for change in await tickets.history(hotline.database, ticket.id)][-2:] == [
        "edited",
        "accept",
    ]
    later = await hotline.says("不是保港是梅山")
    assert later.fields == confirmed.fields and later.version == confirmed.version
    with pytest.raises(AlreadyConfirmed):
        await tickets.confirm(
            hotline.database, ticket.id, confirmed.version, {}, WANG, jurisdiction=hotline.jurisdiction
        )
    with pytest.raises(AlreadyConfirmed):
        await tickets.edit(hotline.database, ticket.id, confirmed.version, {"place": "梅山"}, WANG)
    with pytest.raises(TicketChanged):
        await tickets.edit(hotline.database, ticket.id, ticket.version, {"place": "梅山"}, LI)


async def test_nothing_is_confirmed_that_was_not_seen(hotline: Hotline) -> None:
    await hotline.arrives()
    seen = await hotline.says("保港的路灯坏了")
    await hotline.says("不是保港是梅山")
    with pytest.raises(TicketChanged) as lost:
        await tickets.confirm(
            hotline.database, seen.id, seen.version, {"person": "王小明"}, WANG, jurisdiction=hotline.jurisdiction
        )
    assert lost.value.field in ("place", "territorial_unit", "event")
    everything = {name: field["value"] for name, field in seen.fields.items()}
    confirmed = await tickets.confirm(
        hotline.database, seen.id, seen.version, everything, WANG, jurisdiction=hotline.jurisdiction
    )
    assert confirmed.fields["place"]["value"] == "保港"


async def test_of_many_who_confirm_at_once_one_wins(hotline: Hotline) -> None:
    ticket = await hotline.arrives()
    actors = [Actor(f"坐席 {number}", "agent") for number in range(8)]
    results = await asyncio.gather(
        *(
            tickets.confirm(
                hotline.database,
                ticket.id,
                ticket.version,
                {"person": actor.name},
                actor,
                jurisdiction=hotline.jurisdiction,
            )
            for actor in actors
        ),
        return_exceptions=True,
    )
    winners = [result for result in results if isinstance(result, Ticket)]
    assert len(winners) == 1
    assert all(isinstance(result, TicketChanged) for result in results if not isinstance(result, Ticket))
    stored = await hotline.ticket()
    assert stored.accepted_by == stored.fields["person"]["value"] == winners[0].accepted_by
    actions = [change.action for change in await tickets.history(hotline.database, ticket.id)]
    assert actions == ["opened", "edited", "accept"]


async def test_agents_and_the_machine_write_at_once(hotline: Hotline) -> None:
    ticket = await hotline.arrives()

    async def agent(number: int) -> None:
        await tickets.edit(hotline.database, ticket.id, ticket.version, {"event": f"第{number}稿"}, WANG)

    await asyncio.gather(*(agent(number) for number in range(6)), *(hotline.says(f"路灯坏了{n}") for n in range(6)))
    stored = await hotline.ticket()
    assert stored.fields["event"]["source"] == "agent"
    versions = [change.version for change in await tickets.history(hotline.database, ticket.id)]
    assert versions == sorted(versions) and max(versions) <= stored.version


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"event": "长" * 4001}, "event"),
        ({"event": "a\x00b"}, "event"),
        ({"event": "a\tb"}, "event"),
        ({"event": "a\x1b[31mb"}, "event"),
        ({"event": "a\u2028b"}, "event"),
        ({"event": "a\ud800b"}, "event"),
        ({"functional_unit": "yz.nobody"}, "functional_unit"),
        ({"matter": "street_lamps"}, "matter"),
    ],
)
async def test_values_that_cannot_be_kept(values: dict[str, str], field: str, hotline: Hotline) -> None:
    ticket = await hotline.arrives()
    with pytest.raises(BadField) as bad:
        await tickets.edit(hotline.database, ticket.id, ticket.version, values, WANG, jurisdiction=hotline.jurisdiction)
    assert (bad.value.code, bad.value.field) == ("bad_field", field)
    assert (await hotline.ticket()).version == ticket.version


async def test_values_at_the_limit_are_kept(hotline: Hotline) -> None:
    ticket = await hotline.arrives()
    text = "第一行\n" + "长" * 3996
    assert len(text) == 4000
    values = {"event": text, "functional_unit": "yz.zhujian", "matter": ""}
    await tickets.edit(hotline.database, ticket.id, ticket.version, values, WANG, jurisdiction=hotline.jurisdiction)
    assert (await hotline.ticket()).fields["event"]["value"] == text


async def test_there_is_no_such_ticket(hotline: Hotline) -> None:
    for attempt in (
        tickets.edit(hotline.database, "nothing", 1, {}, WANG),
        tickets.confirm(hotline.database, "nothing", 1, {}, WANG, jurisdiction=hotline.jurisdiction),
        tickets.clear_attention(hotline.database, "nothing", 1, LI),
        tickets.tickets(hotline.database, before="nothing"),
    ):
        with pytest.raises(NoSuchTicket):
            await attempt
    assert await tickets.ticket(hotline.database, "nothing") is None
    assert await tickets.call(hotline.database, "nothing") is None
    assert await tickets.ticket_of_call(hotline.database, "nothing") is None


async def test_a_missed_call_is_on_the_list_until_somebody_takes_it_off(hotline: Hotline) -> None:
    await hotline.arrives()
    missed = await hotline.ends()
    assert missed.attention == "abandoned" and missed.attention in tickets.ATTENTION
    assert [one.id for one in await tickets.tickets(hotline.database, attention=True)] == [missed.id]
    cleared = await tickets.clear_attention(hotline.database, missed.id, missed.version, LI, why="已回拨")
    assert cleared.attention == ""
    *_, last = await tickets.history(hotline.database, missed.id)
    assert (last.action, last.before, last.after, last.actor, last.why) == (
        "attention",
        "abandoned",
        "",
        LI.name,
        "已回拨",
    )


async def test_a_newer_reason_is_not_taken_off_unseen(hotline: Hotline) -> None:
    seen = await hotline.arrives()
    await hotline.ends()
    with pytest.raises(TicketChanged):
        await tickets.clear_attention(hotline.database, seen.id, seen.version, LI)


async def test_confirming_takes_a_ticket_off_the_list(hotline: Hotline) -> None:
    await hotline.arrives()
    missed = await hotline.ends()
    confirmed = await tickets.confirm(
        hotline.database, missed.id, missed.version, {"event": "已回拨"}, WANG, jurisdiction=hotline.jurisdiction
    )
    assert confirmed.attention == ""


async def test_lists_are_paged_and_filtered(hotline: Hotline) -> None:
    made = [await hotline.arrives(f"c{number}", f"1380000000{number}", minutes=number // 2) for number in range(7)]
    confirmed = await tickets.confirm(
        hotline.database, made[3].id, made[3].version, {}, WANG, jurisdiction=hotline.jurisdiction
    )
    await hotline.ends("c6")
    first = await tickets.tickets(hotline.database, limit=3)
    rest = await tickets.tickets(hotline.database, before=first[-1].id)
    assert {one.id for one in [*first, *rest]} == {one.id for one in made}
    assert len(first) == 3 and len(rest) == 4
    times = [one.created_at for one in [*first, *rest]]
    assert times == sorted(times, reverse=True)
    assert [one.id for one in await tickets.tickets(hotline.database, state="accepted")] == [confirmed.id]
    assert len(await tickets.tickets(hotline.database, state="draft", attention=False)) == 5
    assert [call.call_id for call in await tickets.calls(hotline.database, live=False)] == ["c6"]
    assert len(await tickets.calls(hotline.database, live=True)) == 6
    assert [call.call_id for call in await tickets.calls(hotline.database, limit=1)] == ["c6"]


async def test_serial_numbers_count_by_local_day(hotline: Hotline) -> None:
    before_midnight = await hotline.arrives("c1", minutes=9 * 60 + 54)
    after_midnight = await hotline.arrives("c2", minutes=9 * 60 + 56)
    then = await hotline.arrives("c3", minutes=9 * 60 + 57)
    assert [before_midnight.serial, after_midnight.serial, then.serial] == [
        "YZ20261121000001",
        "YZ20261122000001",
        "YZ20261122000002",
    ]


async def test_serial_numbers_are_given_once_though_many_ask(hotline: Hotline) -> None:
    made = await asyncio.gather(*(hotline.arrives(f"c{number}") for number in range(12)))
    assert sorted(ticket.serial for ticket in made) == [f"YZ20261121{number:06d}" for number in range(1, 13)]


async def test_what_is_read_stays_readable_after_its_session(hotline: Hotline) -> None:
    await hotline.arrives()
    await hotline.says("保港 的 路灯 坏了")
    call = await tickets.call(hotline.database, "c1")
    assert isinstance(call, Call) and call.caller_number == "13800000001"
    (said,) = await tickets.utterances(hotline.database, "c1")
    assert said.text == "保港 的 路灯 坏了"
    ticket = await hotline.ticket()
    assert ticket.fields["place"]["utterances"] == [said.id]


@pytest.mark.parametrize(
    "actor",
    [tickets.Actor("周采编", "unit_clerk", "yz.zhujian"), tickets.Actor("审计员", "auditor"), tickets.Actor("甲", "x")],
    ids=["clerk", "auditor", "nobody"],
)
async def test_drafts_and_reminders_are_the_centres(hotline: Hotline, actor: tickets.Actor) -> None:
    for attempt in (
        tickets.edit(hotline.database, "nothing", 1, {}, actor),
        tickets.confirm(hotline.database, "nothing", 1, {}, actor, jurisdiction=hotline.jurisdiction),
        tickets.clear_attention(hotline.database, "nothing", 1, actor),
    ):
        with pytest.raises(NotAllowed):
            await attempt
