"""What the matter's side knows of a caller, for the telephone side to ask (ivr.flows.welcome.Callers)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from ivr.events import now
from routing.storage import Call, Database

_MISSED_WITHIN = timedelta(hours=24)
"""After a day a missed call is the callback list's matter (国办函〔2025〕66号), not the queue's."""


class KnownCallers:
    """Answers from the calls that are kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def was_missed(self, caller_number: str) -> bool:
        """Whether the last call of this number within a day ended before an agent answered it."""
        last = (
            select(Call.answered_at)
            .where(
                Call.caller_number == caller_number,
                Call.state == "ended",
                Call.arrived_at > now() - _MISSED_WITHIN,
            )
            .order_by(Call.arrived_at.desc())
            .limit(1)
        )
        async with self._database.session() as session:
            row = (await session.execute(last)).first()
        return row is not None and row.answered_at is None
