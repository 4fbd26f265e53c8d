"""What cases call the knowledge base."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import select

from routing.knowledge import items, search
from routing.knowledge.tables import KnowledgeItem
from routing.law.playing.stage import Given, Play, act, check
from routing.tickets import Actor


@act("采编知识")
async def draft(play: Play, actor: Actor, given: Given) -> None:
    """A unit writes an item and gives it to the centre."""
    await items.draft(play.centre, actor, _text(given))


def _text(given: Given) -> items.Text:
    review_by = given.any("复审日期")
    return items.Text(
        title=given.text("标题"),
        body=given.text("内容"),
        keywords=given.text("关键词"),
        source=given.text("来源"),
        review_by=review_by if isinstance(review_by, date) else None,
    )


@act("更新知识")
async def revise(play: Play, actor: Actor, given: Given) -> None:
    """A new version of the last item."""
    item = await _item(play)
    await items.revise(play.centre, item.id, item.version, actor, _text(given))


@act("发布知识", "退回知识")
async def review(play: Play, actor: Actor, given: Given) -> None:
    """The centre publishes what was submitted, or sends it back."""
    item = await _item(play)
    await items.review(
        play.centre, item.id, item.version, actor, publish=play.verb == "发布知识", why=given.text("理由")
    )


@act("据知识答复")
async def answered_from(play: Play, actor: Actor, given: Given) -> None:
    """A citizen is answered from the last item."""
    item = await _item(play)
    await items.answered_from(
        play.centre, item.id, actor, ticket_id=play.tickets[play.current] if play.current else None
    )


@check("知识")
async def found(play: Play, expected: Any) -> Any:
    """{问题: [titles that are found, the best first]}."""
    return {question: [one.title for one in await search.search(play.centre, question)] for question in expected}


@check("知识使用次数")
async def used(play: Play, expected: Any) -> Any:
    """How often the last item has answered."""
    return len(await items.uses(play.centre, (await _item(play)).id))


@check("过期知识")
async def stale(play: Play, expected: Any) -> Any:
    """Titles of published items that wait for their review."""
    return [version.title for _, version in await items.stale_items(play.centre)]


async def _item(play: Play) -> KnowledgeItem:
    async with play.db.session() as session:
        return (await session.scalars(select(KnowledgeItem).order_by(KnowledgeItem.id.desc()).limit(1))).one()
