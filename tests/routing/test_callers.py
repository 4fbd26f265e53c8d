"""Who is ahead in the queue: a caller whose last call within a day was not answered."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ivr.events import now
from routing.callers import KnownCallers
from routing.storage import Call, Database

CASES = [
    ([], False),
    ([(1, "ended", False)], True),
    ([(1, "ended", True)], False),
    ([(1, "waiting", False)], False),
    ([(2, "ended", True), (1, "ended", False)], True),
    ([(2, "ended", False), (1, "ended", True)], False),
    ([(2, "ended", False), (0, "arriving", False)], True),
    ([(25, "ended", False)], False),
]
"""Earlier calls of the number (hours ago, state, whether an agent answered), and whether it was missed."""


@pytest.mark.parametrize(("calls", "missed"), CASES)
async def test_was_missed(calls: list[tuple[int, str, bool]], missed: bool, database: Database) -> None:
    async with database.begin() as session:
        for number, (hours, state, answered) in enumerate(calls):
            arrived = now() - timedelta(hours=hours)
            answered_at = arrived if answered else None
            call = Call(call_id=f"c{number}", caller_number="1380", arrived_at=arrived, answered_at=answered_at)
            call.state = state
            session.add(call)
        session.add(Call(call_id="other", caller_number="1381", arrived_at=now(), state="ended"))
    assert await KnownCallers(database).was_missed("1380") is missed
