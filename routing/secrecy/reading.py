"""Reading what is masked: with a reason, and with a line in the access log that nobody can take out again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from routing.centre import Centre
from routing.life import given
from routing.life.tables import Submission
from routing.secrecy.errors import RevealRefused
from routing.secrecy.rights import KIND_OF, sight
from routing.secrecy.tables import AccessEntry
from routing.secrecy.view import standing_to, text_of, without_identity
from routing.tickets import Actor, transcript_query

_RULE = "YZ-26"
_MAX_REASON = 500


async def reveal(centre: Centre, ticket_id: str, field: str, actor: Actor, reason: str) -> str:
    """The value of a masked field, after who read it and why has been written down in the same transaction.

    `field`: one of `KIND_OF`. Raises NoSuchTicket, Missing (no reason), BadValue (no such field), RevealRefused, which
    is written down as well.
    """
    given.one_of("field", field, KIND_OF, rule=_RULE, what="可以查阅的字段")
    why = given.text("reason", reason, rule=_RULE, what="查阅的理由", limit=_MAX_REASON)
    async with centre.db.begin() as session:
        ticket, standing = await standing_to(session, centre, ticket_id, actor)
        seen = sight(standing, ticket, field)
        if seen != "shown":
            session.add(
                AccessEntry(
                    at=centre.now(),
                    actor=actor.name,
                    role=actor.role,
                    unit=actor.unit,
                    ticket_id=ticket.id,
                    field=field,
                    # The log can only be added to, and is read by auditors: it repeats nothing of what it guards.
                    reason=without_identity(why, ticket),
                    outcome="refused" if seen == "hidden" else "shown",
                )
            )
        if field == "transcript" and seen != "hidden":
            said = await session.scalars(transcript_query(ticket.call_id or ""))
            value = "\n".join(f"{'来电人' if one.speaker == 'caller' else '坐席'}：{one.text}" for one in said)
        elif field == "result" and seen != "hidden":
            last = await session.scalar(
                select(Submission).where(Submission.ticket_id == ticket_id).order_by(Submission.id.desc()).limit(1)
            )
            value = "\n".join(f"{name}：{text}" for name, text in (last.form if last else {}).items())
        elif seen != "hidden":
            value = text_of(ticket, field)
    if seen == "hidden":
        raise RevealRefused(
            f"工单 {ticket.serial} 的这一项只有受理它的人和有权限的人可以查阅；确有需要请与区指挥中心联系。"
            "这次查阅已记录",
            rule=_RULE,
            field=field,
        )
    return value


async def readings(centre: Centre, *, ticket_id: str = "", since: datetime | None = None) -> list[AccessEntry]:
    """The access log, the oldest first."""
    query = select(AccessEntry).order_by(AccessEntry.id)
    if ticket_id:
        query = query.where(AccessEntry.ticket_id == ticket_id)
    if since is not None:
        query = query.where(AccessEntry.at >= since)
    async with centre.db.session() as session:
        return list(await session.scalars(query))


async def most_read(centre: Centre, since: datetime) -> list[tuple[str, str, int, int]]:
    """Who read how much that is masked since then, most first: name, unit, fields shown, fields refused.

    What a person looks at who has a leak to explain (V6, YZ-37(6)); it proves nothing by itself.
    """
    counts: dict[tuple[str, str], list[int]] = {}
    for entry in await readings(centre, since=since):
        counts.setdefault((entry.actor, entry.unit), [0, 0])[entry.outcome == "refused"] += 1
    found = [(name, unit, shown, refused) for (name, unit), (shown, refused) in counts.items()]
    return sorted(found, key=lambda one: (-one[2] - one[3], one[0], one[1]))
