"""The same matter at the same place, month after month without effect (TP-31)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from routing.dispatching.clusters import clusters
from routing.storage import Ticket
from tests.routing.life.conftest import CHINA, Office
from tests.routing.life.mixed_law import yazhou_with

NOW = datetime(2026, 3, 15, 12, 0, tzinfo=CHINA)
SIX = [(2025, 9), (2025, 10), (2025, 11), (2025, 12), (2026, 1), (2026, 2)]


@pytest.fixture
def turpan(open_office: Callable[..., Office]) -> Office:
    office = open_office(yazhou_with("turpan", "cluster"))
    office.clock.at = NOW
    return office


async def told(office: Office, at: datetime, **more: object) -> None:
    values = {"matter": "garbage", "place": "保港", "intent": "complaint", "state": "archived"} | more
    async with office.centre.db.begin() as session:
        _numbers.append(0)
        serial = f"YZ{len(_numbers)}"
        session.add(Ticket(serial=serial, jurisdiction="yazhou", created_at=at, updated_at=at, **values))


_numbers: list[int] = []


async def test_six_full_months_in_a_row(turpan: Office) -> None:
    for year, month in SIX:
        await told(turpan, datetime(year, month, 10, tzinfo=CHINA))
    await told(turpan, datetime(2026, 1, 11, tzinfo=CHINA), state="merged")
    (found,) = await clusters(turpan.centre)
    assert (found.matter, found.place, found.told) == ("garbage", "保港", (1, 1, 1, 1, 2, 1))
    assert (found.months[0], found.months[-1], found.rule) == ("2025-09", "2026-02", "TP-31")
    assert "纪检监察" in found.to


@pytest.mark.parametrize("missing", range(6))
async def test_a_month_without_it_ends_it(turpan: Office, missing: int) -> None:
    for index, (year, month) in enumerate(SIX):
        at = datetime(year, month, 10, tzinfo=CHINA)
        await told(turpan, at, **({"place": "梅山"} if index == missing else {}))
    assert await clusters(turpan.centre) == []


async def test_months_end_at_local_midnight(turpan: Office) -> None:
    for year, month in SIX[:-1]:
        await told(turpan, datetime(year, month, 10, tzinfo=CHINA))
    await told(turpan, datetime(2026, 3, 1, 0, 0, tzinfo=CHINA))
    assert await clusters(turpan.centre) == []
    await told(turpan, datetime(2026, 2, 28, 23, 59, 59, tzinfo=CHINA))
    assert len(await clusters(turpan.centre)) == 1


@pytest.mark.parametrize(
    "other", [{"intent": "consult"}, {"restricted_to": "yz.jiwei"}, {"place": ""}], ids=["consult", "hidden", "nowhere"]
)
async def test_what_is_no_complaint_or_hidden_is_not_counted(turpan: Office, other: dict[str, str]) -> None:
    for year, month in SIX:
        await told(turpan, datetime(year, month, 10, tzinfo=CHINA), **other)
    assert await clusters(turpan.centre) == []


async def test_a_document_without_the_rule_has_none(office: Office) -> None:
    office.clock.at = NOW
    for year, month in SIX:
        await told(office, datetime(year, month, 10, tzinfo=CHINA))
    assert await clusters(office.centre) == []
