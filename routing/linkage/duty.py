"""Whose matter it is, after the three-party call of caller, hotline and line (国办发〔2022〕12号).

The parties agree who accepts; where it stays unclear, the one that received the matter first does.
"""

from __future__ import annotations

import re

from sqlalchemy import select

from ivr.events import now
from routing.history import line
from routing.linkage.errors import BadDuty, NoLinkage
from routing.linkage.tables import Linkage, LinkageLine
from routing.storage import Call, Database, Ticket
from routing.tickets import Actor

RULE = "国办发〔2022〕12号"

MAX_NOTE_CHARACTERS = 500
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


async def record_duty(db: Database, call_id: str, *, accepted_by: str | None, note: str, actor: Actor) -> Linkage:
    """Note who accepted: a line of the linkage, or the number that was called; None: it stayed unclear, so the one
    that received first accepts. What was noted before is replaced, and stands in the ticket's history.

    Raises NoLinkage, BadDuty.
    """
    note = note.replace("\r\n", "\n").strip()
    if len(note) > MAX_NOTE_CHARACTERS or _CONTROL.search(note):
        raise BadDuty(f"说明最多 {MAX_NOTE_CHARACTERS} 个字，不能有控制字符", field="note")
    async with db.begin() as session:
        found = await session.get(Linkage, call_id)
        if found is None:
            raise NoLinkage("这通电话没有三线联动", field="call_id")
        # The ticket first, as the intake has it: two that lock in different orders wait for each other.
        ticket = await session.get_one(Ticket, found.ticket_id, with_for_update=True)
        linkage = await session.get_one(Linkage, call_id, with_for_update=True, populate_existing=True)
        call = await session.get_one(Call, call_id)
        lines = list(await session.scalars(select(LinkageLine.line).where(LinkageLine.call_id == call_id)))
        parties = list(dict.fromkeys([*lines, linkage.first_receiver, call.called_number]))
        if accepted_by is not None and accepted_by not in parties:
            raise BadDuty(f"受理方只能是本次通话的一方：{'、'.join(parties)}", field="accepted_by")
        linkage.duty = "unclear" if accepted_by is None else "clear"
        linkage.accepted_by = accepted_by or linkage.first_receiver
        linkage.duty_note, linkage.duty_by, linkage.duty_at = note, actor.name, now()
        ticket.version += 1
        ticket.updated_at = linkage.duty_at
        unclear = "职责不清，由首先接报的一方受理" if accepted_by is None else "各方商定"
        why = f"{unclear}：{note}" if note else unclear
        session.add(line(ticket, linkage.duty_at, actor.name, "duty", after=linkage.accepted_by, why=why, rule=RULE))
    return linkage
