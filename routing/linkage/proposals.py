"""Lines that the hotline proposes from what a caller says; they are shown on the desks until somebody decides."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import timedelta

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import select

from ivr.events import now
from routing.intake import DESK_CHANNEL
from routing.linkage.errors import BadProposal, NoSuchProposal
from routing.linkage.tables import LinkageLine, LinkageProposal
from routing.storage import Call, Database

log = structlog.get_logger(__name__)

_LINE = re.compile(r"[0-9]{3,6}")
_MOST_WORDS = 20
_LONGEST_WORD = 40

_AGAIN = timedelta(seconds=45)
"""So long after a no, words of danger are a new cry, also the same words."""


async def propose_linkage(
    db: Database, redis: Redis, call_id: str, lines: Sequence[str], words: Sequence[str]
) -> LinkageProposal | None:
    """Show on the desks that the caller should be connected to `lines`, because of the `words` that were heard.

    An open proposal of the call takes in what is new. None when nothing is new: these lines are in the call, or
    somebody has said no to them a moment ago, knowing these words. Raises BadProposal.
    """
    if not lines or not all(_LINE.fullmatch(line) for line in lines):
        raise BadProposal("要有至少一条专线，每条为3至6位数字，如119", field="lines")
    heard = [word[:_LONGEST_WORD] for word in dict.fromkeys(words)][:_MOST_WORDS]
    async with db.begin() as session:
        earlier = list(
            await session.scalars(
                select(LinkageProposal).where(LinkageProposal.call_id == call_id).order_by(LinkageProposal.id)
            )
        )
        there = set(await session.scalars(select(LinkageLine.line).where(LinkageLine.call_id == call_id)))
        known = there.union(*(one.lines for one in earlier if not _is_past(one, heard)))
        if not (fresh := [line for line in dict.fromkeys(lines) if line not in known]):
            return None
        proposal = next((one for one in earlier if one.state == "open"), None)
        if proposal is None:
            proposal = LinkageProposal(call_id=call_id, lines=fresh, words=heard, at=now())
            session.add(proposal)
        else:
            proposal.lines = [*proposal.lines, *fresh]
            proposal.words = list(dict.fromkeys([*proposal.words, *heard]))[:_MOST_WORDS]
    log.info("linkage proposed", call_id=call_id, lines=proposal.lines)
    try:
        await redis.publish(DESK_CHANNEL, json.dumps({"call_id": call_id, "kind": "linkage_proposed"}))
    except (RedisError, OSError) as problem:
        # It is kept; the desks see it when they poll.
        log.warning("a proposal was not told to the desks", call_id=call_id, problem=str(problem))
    return proposal


def _is_past(proposal: LinkageProposal, heard: Sequence[str]) -> bool:
    """Whether the no to the proposal says nothing about what is heard now."""
    if proposal.state != "dismissed":
        return False
    is_long_ago = proposal.decided_at is None or now() - proposal.decided_at >= _AGAIN
    return is_long_ago or not set(heard) <= set(proposal.words)


async def dismiss(db: Database, proposal_id: int, who: str) -> LinkageProposal:
    """`who` decides that the proposal is none; one that is decided already stays as it is. Raises NoSuchProposal."""
    async with db.begin() as session:
        proposal = await session.get(LinkageProposal, proposal_id, with_for_update=True)
        if proposal is None:
            raise NoSuchProposal(f"没有编号为 {proposal_id} 的建议")
        if proposal.state == "open":
            proposal.state, proposal.decided_at, proposal.decided_by = "dismissed", now(), who
    return proposal


async def open_proposals(db: Database, limit: int = 50) -> list[LinkageProposal]:
    """Proposals of calls in progress that nobody has decided about, the newest first."""
    query = (
        select(LinkageProposal)
        .outerjoin(Call, Call.call_id == LinkageProposal.call_id)
        .where(LinkageProposal.state == "open", Call.state.is_distinct_from("ended"))
        .order_by(LinkageProposal.at.desc())
        .limit(limit)
    )
    async with db.session() as session:
        return list(await session.scalars(query))
