"""Stations are told what they need, in order, signed, until they have it: failing, hanging, and after a kill -9."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import select, update

from ivr.events import CallArrived, now
from routing.call_record import apply
from routing.jurisdiction import Jurisdiction
from routing.linkage.alarms import open_alarms
from routing.linkage.configuration import Station
from routing.linkage.courier import Courier, notices_of_call, signature
from routing.linkage.tables import LinkageLine, StationNotice
from routing.storage import Call, Database, Ticket
from settings import ROOT
from tests.routing.linkage.station import SECRET, StationServer, station_server
from tests.routing.linkage.told_linkage import ToldLinkage
from tests.routing.told import until


@pytest.fixture
async def fire() -> AsyncIterator[StationServer]:
    async with station_server() as server:
        yield server


class LinkedNow(ToldLinkage):
    """Its times are now: stations are told of nothing that is long over."""

    def _common(self, what: str, seconds: float) -> dict[str, Any]:
        return super()._common(what, seconds) | {"at": now()}

    def _linkage(self, what: str, seconds: float) -> dict[str, Any]:
        return super()._linkage(what, seconds) | {"at": now()}


async def tell(database: Database, law: Jurisdiction, *events: Any) -> None:
    for event in events:
        async with database.begin() as session:
            await apply(session, event, law)


@asynccontextmanager
async def courier(database: Database, law: Jurisdiction, *stations: Station) -> AsyncIterator[Courier]:
    """A courier at work until the context ends."""
    made = Courier(database, law, stations, pass_seconds=0.05)
    task = asyncio.create_task(made.run())
    try:
        yield made
        assert not task.done(), "nothing ends a courier"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def got(server: StationServer, count: int) -> None:
    async def enough() -> bool:
        return len(server.got) >= count

    await until(enough, 90)


async def states(database: Database, call_id: str = "c1") -> list[tuple[str, str]]:
    return [(one.kind, one.state) for one in await notices_of_call(database, call_id)]


async def delivered(database: Database, count: int, call_id: str = "c1") -> None:
    async def all_there() -> bool:
        return [state for _, state in await states(database, call_id)].count("delivered") >= count

    await until(all_there, 90)


async def test_a_station_is_told_from_the_asking_to_the_end(
    database: Database, yazhou: Jurisdiction, fire: StationServer
) -> None:
    c = LinkedNow()
    async with courier(database, yazhou, fire.station()):
        await tell(database, yazhou, c.arrived(), c.answered(), c.asked("119", "120"))
        await got(fire, 1)
        asked = fire.got[0]
        assert asked["kind"] == "linkage.asked" and asked["line"] == "119"
        assert asked["linkage_id"] == asked["call_id"] == "c1"
        assert asked["caller_number"] == "13800000001" and asked["address"] is None
        assert asked["ticket"]["serial"].startswith("YZ") and asked["asked_by"] == "agent"
        assert asked["times"]["asked_at"].endswith("Z") and asked["times"]["answered_at"] is None

        await tell(database, yazhou, c.said(1, "保港 着火 了"))
        await got(fire, 2)
        assert (fire.got[1]["kind"], fire.got[1]["address"]) == ("linkage.details", "保港")
        assert "着火" in fire.got[1]["summary"]
        await tell(database, yazhou, c.said(2, "好 的", speaker="agent"), c.attempt("119", 1, "answered", 13))
        await got(fire, 3)
        await tell(database, yazhou, c.ended_linkage(50), c.ended(51))
        await delivered(database, 4)
    assert fire.kinds == ["linkage.asked", "linkage.details", "linkage.answered", "linkage.ended"]
    assert all(fire.signed) and len(set(fire.ids)) == 4
    assert [one["id"] for one in fire.got] == fire.ids
    async with database.session() as session:
        bodies = list(await session.scalars(select(StationNotice.body)))
    assert bodies == [""] * 4, "what a citizen said is not kept in the outbox"


async def test_a_station_that_fails_and_answers_twice(
    database: Database, yazhou: Jurisdiction, fire: StationServer
) -> None:
    fire.answers = [500, 503, 302, 409]
    c = LinkedNow()
    async with courier(database, yazhou, fire.station()):
        await tell(database, yazhou, c.arrived(), c.asked("119"), c.attempt("119", 1, "answered", 13))
        await delivered(database, 2)
    # The same message under the same id until it is there; 409 says that it was there before. Then the next.
    assert fire.kinds == ["linkage.asked"] * 4 + ["linkage.answered"]
    assert len(set(fire.ids)) == 2 and fire.got[0] == fire.got[3]
    notice = (await notices_of_call(database, "c1"))[0]
    assert (notice.attempts, notice.state, notice.problem) == (4, "delivered", "")


async def test_a_station_that_hangs_holds_up_no_other(
    database: Database, yazhou: Jurisdiction, fire: StationServer
) -> None:
    fire.hanging.set()
    c = LinkedNow()
    async with (
        station_server() as medical,
        courier(database, yazhou, fire.station(timeout_seconds=0.5), medical.station("120")),
    ):
        await tell(database, yazhou, c.arrived(), c.asked("119", "120"))
        await got(medical, 1)
        await got(fire, 2)
        assert fire.ids[0] == fire.ids[1], "what was not answered is sent again"
        fire.hanging.clear()
        await delivered(database, 2)


async def test_a_station_that_is_not_there(database: Database, yazhou: Jurisdiction, fire: StationServer) -> None:
    gone = fire.station(url="http://127.0.0.1:9/hotline")
    c = LinkedNow()
    async with courier(database, yazhou, gone):
        await tell(database, yazhou, c.arrived(), c.asked("119"))

        async def alarmed() -> bool:
            return [one.kind for one in await open_alarms(database)] == ["notice_failed"]

        await until(alarmed)
        notice = (await notices_of_call(database, "c1"))[0]
        assert notice.state == "waiting" and "Error" in notice.problem
    # It comes back: with another courier, the same notice.
    async with courier(database, yazhou, fire.station()):
        await delivered(database, 1)
    assert fire.ids == [notice.id]


async def test_what_is_too_old_is_given_up(database: Database, yazhou: Jurisdiction, fire: StationServer) -> None:
    fire.answers = [500] * 100
    c = LinkedNow()
    async with courier(database, yazhou, fire.station(give_up_hours=0.5)):
        await tell(database, yazhou, c.arrived(), c.asked("119"))
        await got(fire, 1)
        async with database.begin() as session:
            long_ago = now().replace(year=now().year - 1)
            await session.execute(update(StationNotice).values(created_at=long_ago))

        async def given_up() -> bool:
            return ("linkage.asked", "given_up") in await states(database)

        await until(given_up)
    assert (await notices_of_call(database, "c1"))[0].body == ""


async def test_two_couriers_tell_each_message_once(
    database: Database, yazhou: Jurisdiction, fire: StationServer
) -> None:
    calls = [LinkedNow(f"c{number}") for number in range(8)]
    async with courier(database, yazhou, fire.station()), courier(database, yazhou, fire.station()):
        for c in calls:
            await tell(database, yazhou, c.arrived(), c.asked("119"), c.attempt("119", 1, "answered", 13))
        for c in calls:
            await delivered(database, 2, c.call_id)
    assert len(fire.ids) == len(set(fire.ids)) == 16
    for c in calls:
        kinds = [one["kind"] for one in fire.got if one["call_id"] == c.call_id]
        assert kinds == ["linkage.asked", "linkage.answered"], "in their order"


async def test_who_asked_for_confidentiality_is_not_named(
    database: Database, yazhou: Jurisdiction, fire: StationServer
) -> None:
    c = LinkedNow()
    await tell(database, yazhou, c.arrived(), c.said(1, "我 姓 符"))
    async with database.begin() as session:
        await session.execute(update(Ticket).values(identity_secret=True))
    async with station_server() as police, station_server() as traffic:
        stations = [
            fire.station(),
            police.station("110", caller_number="always"),
            traffic.station("122", caller_number="never"),
        ]
        async with courier(database, yazhou, *stations):
            await tell(database, yazhou, c.asked("119", "110", "122"))
            for server in (fire, police, traffic):
                await got(server, 1)
        assert police.got[0]["caller_number"] == "13800000001"
        assert "姓符" in police.got[0]["summary"]
        for server in (fire, traffic):
            assert server.got[0]["caller_number"] is None
            summary = server.got[0]["summary"]
            assert "13800000001" not in summary and "号码保密" in summary and "姓符" not in summary


async def test_110_is_told_the_ticket_of_the_call_that_it_handed_over(
    database: Database, yazhou: Jurisdiction, fire: StationServer
) -> None:
    c = LinkedNow()
    arrived = CallArrived.model_validate(c.arrived().model_dump() | {"source": "110"})
    other = LinkedNow("c2")
    async with courier(database, yazhou, fire.station("110")):
        await tell(database, yazhou, arrived, other.arrived())
        await got(fire, 1)
        async with database.session() as session:
            ticket = (await session.scalars(select(Ticket).where(Ticket.call_id == "c1"))).one()
            call = await session.get_one(Call, "c1")
        assert call.source == "110"
        assert fire.got[0]["ticket"] == {"id": ticket.id, "serial": ticket.serial}
        await tell(database, yazhou, c.said(1, "保港 停水 了"), c.ended(30))
        await delivered(database, 2)
    assert fire.kinds == ["inbound.ticket", "inbound.ended"]
    assert fire.got[1]["address"] == "保港" and fire.got[1]["times"]["ended_at"]


async def test_nothing_is_written_down_for_lines_without_a_station(
    database: Database, yazhou: Jurisdiction, fire: StationServer
) -> None:
    c = LinkedNow()
    async with courier(database, yazhou, fire.station("119")):
        await tell(database, yazhou, c.arrived(), c.asked("120", "119"))
        await delivered(database, 1)
    assert [one.line for one in await notices_of_call(database, "c1")] == ["119"]


_KILLED = """
import asyncio, sys
from pathlib import Path
from routing.jurisdiction import load
from routing.linkage.courier import Courier
from routing.storage import Database
from routing.secrecy.keys import Keys
from tests.routing.linkage.station import StationServer

url, station_url, law, keys = sys.argv[1:]
server = StationServer(url=station_url)

async def main():
    courier = Courier(Database(url, keys=Keys(Path(keys))), load(Path(law)), [server.station()], pass_seconds=0.05)
    await courier.run()

asyncio.run(main())
"""


async def test_kill_dash_9_while_a_station_is_told(
    database: Database, yazhou: Jurisdiction, fire: StationServer, keys: Any
) -> None:
    fire.hanging.set()
    c = LinkedNow()
    await tell(database, yazhou, c.arrived(), c.asked("119"))
    law = ROOT / "config" / "jurisdictions" / "yazhou.yaml"
    arguments = [database.url, fire.url, str(law), str(keys.file)]
    killed = subprocess.Popen([sys.executable, "-c", _KILLED, *arguments], cwd=ROOT)
    try:
        await got(fire, 1)  # the station has it, and we do not know yet
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    fire.hanging.clear()
    # Its claim runs out by itself; here the time is set forward.
    async with database.begin() as session:
        await session.execute(update(StationNotice).values(next_at=now()))
    async with courier(database, yazhou, fire.station()):
        await tell(database, yazhou, c.attempt("119", 1, "answered", 13))
        await delivered(database, 2)
    assert fire.ids[0] == fire.ids[1] and fire.got[0] == fire.got[1], "the same message under the same id"
    assert fire.kinds[1:] == ["linkage.asked", "linkage.answered"]


async def test_a_database_that_goes_away_for_a_moment(
    database: Database, yazhou: Jurisdiction, fire: StationServer
) -> None:
    from sqlalchemy import text

    c = LinkedNow()
    async with courier(database, yazhou, fire.station()) as made:
        async with database.begin() as session:
            await session.execute(text("ALTER TABLE linkage_lines RENAME TO lost"))

        async def troubled() -> bool:
            return bool(made.trouble)

        await until(troubled)
        async with database.begin() as session:
            await session.execute(text("ALTER TABLE lost RENAME TO linkage_lines"))
        await tell(database, yazhou, c.arrived(), c.asked("119"))
        await delivered(database, 1)

        async def well() -> bool:
            return made.trouble == ""

        await until(well, 90)
    async with database.session() as session:
        assert (await session.scalars(select(LinkageLine.told))).all() == ["asked"]


def test_the_signature_is_what_the_document_says() -> None:
    # Computed once with openssl: printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac "$SECRET"
    made = signature(SECRET, "1700000000", b'{"a":1}')
    assert made == "v1=" + _OPENSSL
    assert signature(SECRET, "1700000001", b'{"a":1}') != made and signature(SECRET, "1700000000", b'{"a":2}') != made


_OPENSSL = "40aeb59b76d8c2c040a907b4761dcd9409444869e4b2806011f2f70f04d2bed8"


async def test_what_waits_is_sealed(database: Database, yazhou: Jurisdiction, fire: StationServer) -> None:
    from sqlalchemy import text

    c = LinkedNow()
    async with courier(database, yazhou, fire.station(url="http://127.0.0.1:9/hotline")):
        await tell(database, yazhou, c.arrived(), c.asked("119"), c.joined("caller", "13800000001", 11))

        async def waiting() -> bool:
            return bool(await notices_of_call(database, "c1"))

        await until(waiting, 90)
    notice = (await notices_of_call(database, "c1"))[0]
    assert "13800000001" in notice.body
    async with database.session() as session:
        stored = (await session.execute(text("SELECT body FROM station_notices"))).scalar_one()
        parties = (await session.execute(text("SELECT name FROM linkage_presences"))).scalars().all()
    assert stored and "13800000001" not in stored and "13800000001" not in parties
