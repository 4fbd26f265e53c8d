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
        """Raises ValueError for a database without keys: numbers are sealed, and callers are known by a keyed hash."""
        if database.keys is None:
            raise ValueError("callers are known by a keyed hash of their number; the database was opened without keys")
        self._database = database
        self._keys = database.keys

    async def was_missed(self, caller_number: str) -> bool:
        """Whether the last call of this number within a day ended before an agent answered it."""
        caller = self._keys.caller_key(caller_number)
        if not caller:
            return False
        last = (
            select(Call.answered_at)
            .where(
                Call.caller_key == caller,
                Call.state == "ended",
                Call.arrived_at > now() - _MISSED_WITHIN,
            )
            .order_by(Call.arrived_at.desc())
            .limit(1)
        )
        async with self._database.session() as session:
            row = (await session.execute(last)).first()
        return row is not None and row.answered_at is None
