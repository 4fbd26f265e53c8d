"""The inbox: the notices that a unit or the centre has not acknowledged, the most urgent first."""

from __future__ import annotations

from sqlalchemy import Select, and_, or_, select

from routing.centre import Centre
from routing.life.changing import check_actor
from routing.life.errors import LawError, NotAllowed
from routing.life.states import CENTRE as CENTRE_ROLES
from routing.life.states import role_of
from routing.life.tables import Clock
from routing.tickets import Actor
from routing.watch.notices import CENTRE
from routing.watch.tables import UNREAD, Notice

_STILL_TO_DO = ("running", "stopped", "breached")


class NoSuchNotice(LawError):
    """There is no notice with this id, or it is somebody else's."""

    code = "no_such_notice"


async def inbox(centre: Centre, unit: str = CENTRE, *, limit: int = 100) -> list[Notice]:
    """The open notices of a unit (empty: of the centre), overdue ones first, then the newest.

    A notice about a clock is open as long as the duty is; of one that was done late, until somebody said why.
    """
    # One after the other, each in the order of the index: after a standstill an inbox may hold very many.
    async with centre.db.session() as session:
        found = list(await session.scalars(_open(unit).where(Notice.kind == "overdue").limit(limit)))
        if len(found) < limit:
            found += await session.scalars(_open(unit).where(Notice.kind != "overdue").limit(limit - len(found)))
    return found


def _open(unit: str) -> Select[Notice]:
    of_open_clock = or_(Clock.state.in_(_STILL_TO_DO), and_(Clock.state == "missed", Clock.why == ""))
    return (
        select(Notice)
        .outerjoin(Clock, Clock.id == Notice.clock_id)
        .where(Notice.unit == unit, UNREAD, or_(Notice.clock_id.is_(None), of_open_clock))
        .order_by(Notice.at.desc(), Notice.id.desc())
    )


async def acknowledge(centre: Centre, notice_id: int, actor: Actor) -> Notice:
    """Take a notice out of the inbox of the actor's unit; once acknowledged it stays so, whoever comes later.

    Raises NotAllowed, BadValue for an actor that cannot be; NoSuchNotice.
    """
    check_actor(actor, centre.jurisdiction)
    if not actor.unit and role_of(actor.role) not in CENTRE_ROLES:
        raise NotAllowed("中心的提醒由坐席和中心管理人员确认", rule="YZ-8", field="role")
    async with centre.db.begin() as session:
        notice = await session.get(Notice, notice_id, with_for_update=True)
        if notice is None or notice.unit != actor.unit:
            raise NoSuchNotice(f"您的提醒里没有第 {notice_id} 号", field="notice")
        if notice.acknowledged_at is None:
            notice.acknowledged_at = centre.now()
            notice.acknowledged_by = actor.name
        return notice
