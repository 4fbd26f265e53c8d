"""Data that leaves the hotline: asked for, approved by another person, taken once, written down (YL-24)."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.life import given
from routing.life.errors import BadValue, Missing, NotAllowed
from routing.life.states import CENTRE, DECIDES, ROLE_NAMES, role_of
from routing.secrecy.errors import NotApproved
from routing.secrecy.tables import Release
from routing.tickets import Actor

KINDS = ("statistics", "tickets", "recordings", "transcripts", "knowledge", "evidence")
"""What can be asked for. Exports of statistics hold no personal data, and still leave with an approval."""

VALID_FOR = timedelta(days=3)
"""How long an approval can be used: no document says; long enough over a weekend, short enough to be remembered."""

_RULE = "YL-24"


async def ask(centre: Centre, actor: Actor, *, kind: str, scope: str, purpose: str) -> Release:
    """Ask for data to be taken out. `scope`: which, in words or as the export's parameters; `purpose`: for whom, why.

    Raises NotAllowed (not of the centre, not an auditor), BadValue, Missing.
    """
    _must_be(actor, (*CENTRE, "auditor"), "申请导出数据")
    given.one_of("kind", kind, KINDS, rule=_RULE, what="导出的种类")
    made = Release(
        kind=kind,
        scope=given.text("scope", scope, rule=_RULE, what="导出的范围", limit=1000),
        purpose=given.text("purpose", purpose, rule=_RULE, what="用途", limit=1000),
        rule=_rule_of(centre),
        asked_at=centre.now(),
        asked_by=actor.name,
    )
    async with centre.db.begin() as session:
        session.add(made)
    return made


async def decide(centre: Centre, release_id: int, actor: Actor, *, approved: bool, why: str = "") -> Release:
    """Approve or refuse; a refusal says why. Raises NotAllowed (also for the person who asked), Missing, BadValue."""
    _must_be(actor, DECIDES, "审批数据导出")
    async with centre.db.begin() as session:
        release = await _found(session, release_id)
        if release.decision:
            raise BadValue(f"导出申请 {release_id} 已由 {release.decided_by} 审批", rule=_RULE, field="release_id")
        if release.asked_by == actor.name:
            raise NotAllowed("申请人不能审批自己的申请，请由另一人审批", rule=_RULE, field="actor")
        if not approved and not why.strip():
            raise Missing("不同意导出要写明理由", rule=_RULE, field="why")
        release.decision = "approved" if approved else "refused"
        release.decided_at = centre.now()
        release.decided_by = actor.name
        release.why = given.text("why", why, rule=_RULE, what="理由", required=False)
        release.expires_at = release.decided_at + VALID_FOR if approved else None
    return release


async def use(centre: Centre, release_id: int, actor: Actor, *, kind: str, scope: str) -> Release:
    """Take what was approved, once. Call it before the data is written; `note_file` follows when it is.

    Raises NotApproved when there is no approval that holds for just this and this person.
    """
    async with centre.db.begin() as session:
        release = await _found(session, release_id)
        if wrong := _why_not(release, centre, actor, kind, scope):
            raise NotApproved(f"导出申请 {release_id}：{wrong}", rule=_RULE, field="release_id")
        release.used_at, release.used_by = centre.now(), actor.name
    return release


async def note_file(centre: Centre, release_id: int, content: bytes) -> None:
    """Keep the digest of the file that left, so that a copy that turns up can be told apart."""
    async with centre.db.begin() as session:
        (await _found(session, release_id)).sha256 = hashlib.sha256(content).hexdigest()


async def releases(centre: Centre, *, open_only: bool = False) -> list[Release]:
    """All that was asked for, the newest first; `open_only`: what waits for a decision."""
    query = select(Release).order_by(Release.id.desc())
    if open_only:
        query = query.where(Release.decision == "")
    async with centre.db.session() as session:
        return list(await session.scalars(query))


def _why_not(release: Release, centre: Centre, actor: Actor, kind: str, scope: str) -> str:
    if release.decision != "approved":
        return "还没有批准" if not release.decision else f"没有被批准（{release.why}）"
    if release.used_at is not None:
        return f"已由 {release.used_by} 用过，一次批准只能导出一次"
    if release.expires_at is not None and centre.now() >= release.expires_at:
        return "批准已过期，请重新申请"
    if release.asked_by != actor.name:
        return f"是 {release.asked_by} 申请的，只有申请人可以导出"
    if (release.kind, release.scope) != (kind, scope.strip()):
        return f"批准的是“{release.kind}：{release.scope}”，不是“{kind}：{scope}”"
    return ""


async def _found(session: AsyncSession, release_id: int) -> Release:
    release = await session.get(Release, release_id, with_for_update=True)
    if release is None:
        raise BadValue(f"没有编号为 {release_id} 的导出申请", rule=_RULE, field="release_id")
    return release


def _must_be(actor: Actor, roles: tuple[str, ...], what: str) -> None:
    if role_of(actor.role) not in roles or actor.unit:
        names = "、".join(ROLE_NAMES[role] for role in roles)
        raise NotAllowed(f"{what}由{names}办理", rule=_RULE, field="role")


def _rule_of(centre: Centre) -> str:
    law = centre.jurisdiction.law_at(centre.now()).secrecy
    return law.rule if law is not None else _RULE
