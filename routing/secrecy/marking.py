"""Marking a ticket: identity or content confidential, or of a kind that the law has encrypted (YZ-26, YL-23).

Protection is raised by anybody of the centre at any time, and by the machine on the caller's words: what is heard is
protected at once. It is lowered by a person who gives the reason, which stays in the history.
"""

from __future__ import annotations

from sqlalchemy import select

from routing.centre import Centre
from routing.life import given
from routing.life.changing import Change, changing
from routing.life.errors import Missing, NotAllowed, Silent
from routing.life.states import DECIDES
from routing.secrecy.tables import SecrecyMark
from routing.storage import Ticket
from routing.tickets import Actor

_RULE, _ENCRYPT_RULE = "YZ-26", "YL-23"
_NAMES = {"identity": "身份保密", "content": "内容保密"}


async def set_secrecy(
    centre: Centre,
    ticket_id: str,
    version: int,
    actor: Actor,
    *,
    identity: bool,
    content: bool,
    why: str = "",
    category: str = "",
    tracker: str = "",
) -> Ticket:
    """Say what of the ticket is confidential from now on. The sealing needs nothing: everything is sealed always.

    `category`: one of the law's kinds that are encrypted at dispatch; it makes the content confidential, and `tracker`
    is the person who follows the ticket. Raises Missing (lowering without a reason, no tracker), NotAllowed,
    BadValue, Silent (the law knows no such kinds), and what `changing` raises.
    """
    async with changing(centre, ticket_id, version, actor) as change:
        content = _encrypted(change, category, tracker, content)
        _may_lower(change, identity=identity, content=content, why=why)
        kept_why = given.text("why", why, rule=_RULE, what="理由", required=False)
        before = _in_words(change.ticket)
        change.ticket.identity_secret, change.ticket.content_secret = identity, content
        change.transition(
            "set_secrecy", name="secrecy", after=_in_words(change.ticket), why=kept_why or f"原为{before}"
        )
        change.session.add(
            SecrecyMark(
                ticket_id=ticket_id,
                at=change.at,
                by=actor.name,
                identity=identity,
                content=content,
                category=category,
                tracker=tracker.strip(),
                why=kept_why,
            )
        )
    return change.ticket


async def marks(centre: Centre, ticket_id: str) -> list[SecrecyMark]:
    """How a ticket was marked, the newest last; the last one's tracker follows it."""
    async with centre.db.session() as session:
        query = select(SecrecyMark).where(SecrecyMark.ticket_id == ticket_id).order_by(SecrecyMark.id)
        return list(await session.scalars(query))


def _encrypted(change: Change, category: str, tracker: str, content: bool) -> bool:
    if not category:
        return content
    law = change.law.secrecy
    if law is None or not law.encrypt_at_dispatch:
        raise Silent(
            f"{change.jurisdiction.name}的规定没有列出须加密派转的工单种类，请改用身份保密或内容保密",
            rule=_ENCRYPT_RULE,
            field="category",
        )
    given.one_of("category", category, law.encrypt_at_dispatch, rule=_ENCRYPT_RULE, what="须加密派转的种类")
    if law.tracker_at_dispatch:
        given.text("tracker", tracker, rule=_ENCRYPT_RULE, what="跟踪落实的专人", limit=100)
    return True


def _may_lower(change: Change, *, identity: bool, content: bool, why: str) -> None:
    ticket = change.ticket
    lowered = (ticket.identity_secret and not identity) or (ticket.content_secret and not content)
    if not lowered:
        return
    if change.role not in DECIDES and ticket.state != "draft":
        raise NotAllowed("工单受理以后，降低保密等级由当班管理岗或中心管理办公室决定", rule=_RULE, field="role")
    if not why.strip():
        raise Missing("降低保密等级要写明理由，例如：诉求人来电同意公开", rule=_RULE, field="why")


def _in_words(ticket: Ticket) -> str:
    flags = (("identity", ticket.identity_secret), ("content", ticket.content_secret))
    return "、".join(_NAMES[name] for name, flag in flags if flag) or "不保密"
