"""The centre of tests/routing/life, and Yazhou's list."""

from __future__ import annotations

from routing.dispatching.direct_list import DirectDispatch, load
from routing.storage import Ticket
from settings import ROOT
from tests.routing.life.conftest import Office, jurisdiction, office, open_office

__all__ = ["office", "open_office"]

DIRECT = ROOT / "config" / "direct-dispatch.yaml"


def yazhous_list() -> DirectDispatch:
    found = load(DIRECT, jurisdiction("yazhou"))
    assert found is not None
    return found


async def of_caller(office: Office, ticket: Ticket, key: str) -> Ticket:
    """The intake of a call knows the caller by a keyed hash; a letter's writer is given one here."""
    async with office.centre.db.begin() as session:
        row = await session.get_one(Ticket, ticket.id)
        row.caller_key = key
    return row
