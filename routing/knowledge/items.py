"""The life of a knowledge item: a unit writes it, the centre reviews and publishes it, both keep it true (YZ-34).

A text is never changed, only followed by a new version; what an agent answered last year can be shown word for word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.orm.exc import StaleDataError

from routing.centre import Centre
from routing.knowledge import search
from routing.knowledge.tables import KnowledgeItem, KnowledgeUse, KnowledgeVersion
from routing.life import given
from routing.life.errors import BadTime, BadValue, IllegalTransition, Missing, NotAllowed
from routing.life.states import CENTRE, DECIDES, ROLE_NAMES, UNIT, role_of
from routing.storage import Ticket
from routing.ticket_errors import quoted
from routing.tickets import Actor, NoSuchTicket, TicketChanged

RULE = "YZ-34"
_MAX_TITLE, _MAX_KEYWORDS, _MAX_BODY, _MAX_SOURCE = 200, 500, 20_000, 500

STATE_NAMES = {
    "draft": "草稿",
    "submitted": "待审核",
    "rejected": "审核退回",
    "published": "已发布",
    "superseded": "已被新版代替",
    "withdrawn": "已撤下",
}


@dataclass(frozen=True)
class Text:
    """What a version says. `review_by` None: as the law's provision on knowledge says, if it does."""

    title: str
    body: str
    keywords: str = ""
    matter: str = ""
    source: str = ""
    valid_from: date | None = None
    valid_until: date | None = None
    review_by: date | None = None


async def draft(centre: Centre, actor: Actor, text: Text, *, submit: bool = True) -> KnowledgeItem:
    """A new item of the actor's unit (of the centre, for people of the centre); `submit`: for review at once.

    Raises NotAllowed, Missing, BadValue, BadTime.
    """
    (item,) = await draft_all(centre, actor, [text], submit=submit)
    return item


async def draft_all(centre: Centre, actor: Actor, texts: Iterable[Text], *, submit: bool = True) -> list[KnowledgeItem]:
    """New items, all of them or (when one cannot be) none. Raises as `draft`."""
    _may_write(actor, actor.unit, centre)
    checked = [_checked(centre, text) for text in texts]
    made = []
    async with centre.db.begin() as session:
        for text in checked:
            item = KnowledgeItem(owner_unit=actor.unit)
            session.add(item)
            await session.flush()
            session.add(_version(centre, item, 1, text, actor, submit=submit))
            made.append(item)
    return made


async def revise(
    centre: Centre, item_id: int, version: int, actor: Actor, text: Text, *, submit: bool = True
) -> KnowledgeItem:
    """A new version; the published one goes on holding until this one is published. `version` is the item's, as read.

    Raises NotAllowed, Missing, BadValue, BadTime, IllegalTransition (withdrawn), TicketChanged (somebody was faster).
    """
    checked = _checked(centre, text)
    try:
        async with centre.db.begin() as session:
            item = await _item(session, item_id, version)
            _may_write(actor, item.owner_unit, centre)
            if item.state == "withdrawn":
                raise IllegalTransition(f"知识 {item_id} 已撤下，请另写一条", rule=RULE)
            for older in await _versions(session, item_id):
                if older.state in ("draft", "submitted"):
                    older.state = "superseded"
            item.latest += 1
            session.add(_version(centre, item, item.latest, checked, actor, submit=submit))
    except StaleDataError as lost:
        raise TicketChanged("这条知识刚刚被别人修改，请刷新后再试") from lost
    return item


async def submit(centre: Centre, item_id: int, version: int, actor: Actor) -> KnowledgeItem:
    """Give the newest draft to the centre for review. Raises as `revise`."""
    try:
        async with centre.db.begin() as session:
            item = await _item(session, item_id, version)
            _may_write(actor, item.owner_unit, centre)
            newest = (await _versions(session, item_id))[-1]
            _must_be(newest, "draft", "rejected")
            newest.state = "submitted"
            _touch(item)
    except StaleDataError as lost:
        raise TicketChanged("这条知识刚刚被别人修改，请刷新后再试") from lost
    return item


async def review(
    centre: Centre, item_id: int, version: int, actor: Actor, *, publish: bool, why: str = ""
) -> KnowledgeItem:
    """The centre publishes the submitted version, or sends it back with the reason.

    Nobody reviews what he wrote himself. A version that holds from a later day replaces the present one on that day
    at the earliest. Raises NotAllowed, Missing, IllegalTransition, BadTime, TicketChanged.
    """
    if role_of(actor.role) not in DECIDES or actor.unit:
        raise NotAllowed(f"知识由{_names(DECIDES)}审核", rule=RULE, field="role")
    kept_why = given.text("why", why, rule=RULE, what="审核意见", required=not publish)
    today = centre.calendar.day_of(centre.now())
    try:
        async with centre.db.begin() as session:
            item = await _item(session, item_id, version)
            versions = await _versions(session, item_id)
            newest = versions[-1]
            _must_be(newest, "submitted")
            if newest.written_by == actor.name:
                raise NotAllowed("不能审核自己写的知识，请由另一人审核", rule=RULE, field="actor")
            newest.decided_at, newest.decided_by, newest.why = centre.now(), actor.name, kept_why
            if not publish:
                newest.state = "rejected"
                _touch(item)
            else:
                _not_too_early(item, newest, today)
                for older in versions[:-1]:
                    if older.state == "published":
                        older.state = "superseded"
                newest.state = item.state = "published"
                item.published, item.review_by = newest.number, newest.review_by
                await search.put(session, newest)
    except StaleDataError as lost:
        raise TicketChanged("这条知识刚刚被别人修改，请刷新后再试") from lost
    return item


async def confirm_still_true(
    centre: Centre, item_id: int, version: int, actor: Actor, *, review_by: date | None = None
) -> KnowledgeItem:
    """The owner has looked at the published text and it still holds; it is reviewed again by `review_by`.

    It becomes a new version with the same words, published at once: no word changed that the centre had not passed.
    """
    try:
        async with centre.db.begin() as session:
            item = await _item(session, item_id, version)
            _may_write(actor, item.owner_unit, centre)
            versions = await _versions(session, item_id)
            published = next((one for one in versions if one.number == item.published), None)
            if published is None:
                raise IllegalTransition(f"知识 {item_id} 没有发布，不能复核", rule=RULE)
            _must_be(versions[-1], "published", "rejected")
            same = Text(
                published.title,
                published.body,
                published.keywords,
                published.matter,
                published.source,
                published.valid_from,
                published.valid_until,
                review_by,
            )
            item.latest += 1
            made = _version(centre, item, item.latest, _checked(centre, same), actor, submit=True)
            made.state, published.state = "published", "superseded"
            made.decided_at, made.decided_by, made.why = centre.now(), actor.name, "内容未变，复核仍然有效"
            item.published, item.review_by = made.number, made.review_by
            session.add(made)
    except StaleDataError as lost:
        raise TicketChanged("这条知识刚刚被别人修改，请刷新后再试") from lost
    return item


async def withdraw(centre: Centre, item_id: int, version: int, actor: Actor, *, why: str) -> KnowledgeItem:
    """Nobody answers from it any more; its versions are kept. By its unit or the centre, with the reason."""
    kept_why = given.text("why", why, rule=RULE, what="撤下的理由")
    try:
        async with centre.db.begin() as session:
            item = await _item(session, item_id, version)
            if role_of(actor.role) not in DECIDES:
                _may_write(actor, item.owner_unit, centre)
            if item.state == "withdrawn":
                raise IllegalTransition(f"知识 {item_id} 已经撤下", rule=RULE)
            for one in await _versions(session, item_id):
                if one.state in ("draft", "submitted", "published"):
                    one.state = "withdrawn"
                    one.decided_at, one.decided_by, one.why = centre.now(), actor.name, kept_why
            item.state, item.published, item.review_by = "withdrawn", None, None
            await search.take_out(session, item_id)
    except StaleDataError as lost:
        raise TicketChanged("这条知识刚刚被别人修改，请刷新后再试") from lost
    return item


async def answered_from(centre: Centre, item_id: int, actor: Actor, *, ticket_id: str | None = None) -> int:
    """A citizen was answered from it; how often that has been. With a ticket it counts once for that ticket.

    Raises IllegalTransition for an item that is not published, NoSuchTicket.
    """
    if role_of(actor.role) not in CENTRE:
        raise NotAllowed(f"知识的使用由{_names(CENTRE)}登记", rule=search.RULE, field="role")
    async with centre.db.begin() as session:
        item = await _item(session, item_id, None)
        if item.published is None:
            raise IllegalTransition(f"知识 {item_id} 没有发布，不能用来答复", rule=search.RULE)
        if ticket_id is not None and await session.get(Ticket, ticket_id) is None:
            raise NoSuchTicket(f"没有编号为 {quoted(ticket_id)} 的工单")
        known = select(KnowledgeUse.id).where(
            KnowledgeUse.item_id == item_id, KnowledgeUse.ticket_id == ticket_id, KnowledgeUse.ticket_id.is_not(None)
        )
        if await session.scalar(known) is not None:
            return item.used
        at = centre.now()
        session.add(KnowledgeUse(item_id=item_id, number=item.published, ticket_id=ticket_id, at=at, by=actor.name))
        # Not through the object: a use is no change that an editor would have to look at again.
        counted = update(KnowledgeItem).where(KnowledgeItem.id == item_id)
        await session.execute(
            counted.values(used=KnowledgeItem.used + 1, last_used_at=at),
            execution_options={"synchronize_session": False},
        )
        return item.used + 1


async def stale_items(centre: Centre) -> list[tuple[KnowledgeItem, KnowledgeVersion]]:
    """Published items whose day of review has passed, or that hold no longer; the oldest first (YZ-37(8))."""
    today = centre.calendar.day_of(centre.now())
    query = (
        select(KnowledgeItem, KnowledgeVersion)
        .join(KnowledgeVersion, KnowledgeVersion.item_id == KnowledgeItem.id)
        .where(KnowledgeVersion.number == KnowledgeItem.published, KnowledgeItem.state == "published")
        .where((KnowledgeItem.review_by < today) | (KnowledgeVersion.valid_until < today))
        .order_by(KnowledgeItem.review_by, KnowledgeItem.id)
    )
    async with centre.db.session() as session:
        return [(item, version) for item, version in await session.execute(query)]


async def items(
    centre: Centre, *, unit: str | None = None, state: str = ""
) -> list[tuple[KnowledgeItem, KnowledgeVersion]]:
    """Items with their newest versions. `state`: of the newest version."""
    query = (
        select(KnowledgeItem, KnowledgeVersion)
        .join(KnowledgeVersion, KnowledgeVersion.item_id == KnowledgeItem.id)
        .where(KnowledgeVersion.number == KnowledgeItem.latest)
        .order_by(KnowledgeItem.id)
    )
    if unit is not None:
        query = query.where(KnowledgeItem.owner_unit == unit)
    if state:
        query = query.where(KnowledgeVersion.state == state)
    async with centre.db.session() as session:
        return [(item, version) for item, version in await session.execute(query)]


async def versions(centre: Centre, item_id: int) -> tuple[KnowledgeItem, Sequence[KnowledgeVersion]]:
    """An item and all its versions, the oldest first. Raises BadValue when there is none."""
    async with centre.db.session() as session:
        return await _item(session, item_id, None, lock=False), await _versions(session, item_id)


async def uses(centre: Centre, item_id: int) -> list[KnowledgeUse]:
    """The answers that an item served, the oldest first."""
    async with centre.db.session() as session:
        query = select(KnowledgeUse).where(KnowledgeUse.item_id == item_id).order_by(KnowledgeUse.id)
        return list(await session.scalars(query))


def _may_write(actor: Actor, owner: str, centre: Centre) -> None:
    role = role_of(actor.role)
    if role in UNIT:
        given.unit("unit", actor.unit, centre.jurisdiction, rule="YZ-10")
    elif role not in CENTRE or actor.unit:
        raise NotAllowed(f"知识由承办单位或{_names(CENTRE)}采编", rule=RULE, field="role")
    if actor.unit != owner:
        whose = centre.jurisdiction.name_of("functional_unit", owner) or "区指挥中心"
        raise NotAllowed(f"这条知识归{whose}，只有{whose}可以修改", rule=RULE, field="unit")


def _checked(centre: Centre, text: Text) -> Text:
    title = given.text("title", text.title, rule=RULE, what="标题", limit=_MAX_TITLE)
    body = given.text("body", text.body, rule=RULE, what="内容", limit=_MAX_BODY)
    keywords = given.text("keywords", text.keywords, rule=RULE, what="关键词", required=False, limit=_MAX_KEYWORDS)
    source = given.text("source", text.source, rule=RULE, what="依据", required=False, limit=_MAX_SOURCE)
    if text.matter and not centre.jurisdiction.allows("matter", text.matter):
        raise BadValue(f"“{text.matter[:60]}”不在{centre.jurisdiction.name}的事项目录里", rule=RULE, field="matter")
    today = centre.calendar.day_of(centre.now())
    valid_from = text.valid_from or today
    if text.valid_until is not None and text.valid_until < valid_from:
        raise BadTime("失效日期不能早于生效日期", rule=RULE, field="valid_until")
    review_by = text.review_by or _review_day(centre, centre.now())
    if review_by is None:
        raise Missing("请写明何时复核（规定没有写周期）", rule=RULE, field="review_by")
    if review_by < today or review_by < valid_from:
        raise BadTime("复核日期要在今天和生效日期以后", rule=RULE, field="review_by")
    return Text(title, body, keywords, text.matter, source, valid_from, text.valid_until, review_by)


def _review_day(centre: Centre, begin: datetime) -> date | None:
    law = centre.jurisdiction.law_at(centre.now()).knowledge
    if law is None or law.review_every is None:
        return None
    return centre.calendar.day_of(centre.calendar.add(begin, law.review_every))


def _version(
    centre: Centre, item: KnowledgeItem, number: int, text: Text, actor: Actor, *, submit: bool
) -> KnowledgeVersion:
    assert text.valid_from is not None and text.review_by is not None  # noqa: S101 - _checked gave both
    return KnowledgeVersion(
        item_id=item.id,
        number=number,
        state="submitted" if submit else "draft",
        title=text.title,
        keywords=text.keywords,
        body=text.body,
        matter=text.matter,
        source=text.source,
        valid_from=text.valid_from,
        valid_until=text.valid_until,
        review_by=text.review_by,
        written_at=centre.now(),
        written_by=actor.name,
    )


def _must_be(version: KnowledgeVersion, *states: str) -> None:
    if version.state not in states:
        right = "、".join(f"“{STATE_NAMES[state]}”" for state in states)
        raise IllegalTransition(
            f"知识 {version.item_id} 的第 {version.number} 版是“{STATE_NAMES[version.state]}”，只有{right}的可以",
            rule=RULE,
        )


def _not_too_early(item: KnowledgeItem, newest: KnowledgeVersion, today: date) -> None:
    if item.published is not None and newest.valid_from > today:
        raise BadTime(
            f"新版自 {newest.valid_from} 起生效，在那以前现行版本仍要用来答复；请到那一天再发布",
            rule=RULE,
            field="valid_from",
        )
    if newest.review_by < today:
        raise BadTime("复核日期已过，请重新核实后再发布", rule=RULE, field="review_by")


def _touch(item: KnowledgeItem) -> None:
    """Count a change of one of its versions as a change of the item, so that of two at once one wins."""
    flag_modified(item, "latest")


async def _item(session: AsyncSession, item_id: int, version: int | None, *, lock: bool = True) -> KnowledgeItem:
    """The item, locked until the end of the transaction. `version` None: nobody need have seen it."""
    item = await session.get(KnowledgeItem, item_id, with_for_update=lock or None)
    if item is None:
        raise BadValue(f"没有编号为 {item_id} 的知识", rule=RULE, field="item_id")
    if version is not None and item.version != version:
        raise TicketChanged(f"知识 {item_id} 在您查看之后被修改过，请刷新后再试")
    return item


async def _versions(session: AsyncSession, item_id: int) -> Sequence[KnowledgeVersion]:
    query = select(KnowledgeVersion).where(KnowledgeVersion.item_id == item_id).order_by(KnowledgeVersion.number)
    return (await session.scalars(query)).all()


def _names(roles: tuple[str, ...]) -> str:
    return "、".join(ROLE_NAMES[role] for role in roles)
