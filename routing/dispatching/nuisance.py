"""Nuisance calls: evidence for the police (QH-7, TP-38), and never a block: whoever called is answered again.

An agent marks a call, a package is made of marked calls of one caller, another person of the centre approves it, and
it is handed over. A package is computed from what is kept and is known by its hash; it holds what the police need and
is seen by those who decide only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.dispatching.tables import NuisanceCall, NuisancePackage
from routing.law.provisions import Nuisance
from routing.life import given
from routing.life.changing import check_actor
from routing.life.errors import BadValue, IllegalTransition, Missing, NotAllowed, Silent
from routing.life.states import CENTRE, DECIDES, role_of
from routing.storage import Call, Ticket
from routing.tickets import Actor, transcript_query

KINDS = {
    "abuse": "恶意攻击、辱骂",
    "harassment": "骚扰",
    "false_matter": "故意提供虚假事项",
    "occupying": "占用话务资源",
}
"""What TP-38 names."""


async def mark(centre: Centre, call_id: str, actor: Actor, *, kind: str, note: str) -> NuisanceCall:
    """Write down that a call was a nuisance, and why. It changes nothing about how its caller is treated.

    Raises BadValue, Missing, NotAllowed.
    """
    check_actor(actor, centre.jurisdiction)
    rule = _rule(centre)
    if role_of(actor.role) not in CENTRE:
        raise NotAllowed("滋扰来电由指挥中心登记", rule=rule, field="role")
    given.one_of("kind", kind, KINDS, rule=rule, what="滋扰的种类")
    text = given.text("note", note, rule=rule, what="情况说明")
    async with centre.db.begin() as session:
        if await session.get(Call, call_id) is None:
            raise BadValue(f"没有编号为 {call_id} 的通话", rule=rule, field="call_id")
        if await session.get(NuisanceCall, call_id) is not None:
            raise IllegalTransition("这次通话已经登记过", rule=rule)
        made = NuisanceCall(call_id=call_id, at=centre.now(), by=actor.name, kind=kind, note=text)
        session.add(made)
    return made


async def make_package(centre: Centre, calls: Sequence[str], actor: Actor, *, why: str) -> NuisancePackage:
    """Put marked calls of one caller together for the police. Raises Silent, Missing, BadValue, NotAllowed."""
    provision = _provision(centre)
    check_actor(actor, centre.jurisdiction)
    if role_of(actor.role) not in CENTRE:
        raise NotAllowed("证据由指挥中心整理", rule=provision.rule, field="role")
    reason = given.text("why", why, rule=provision.rule, what="移交的理由")
    if not calls:
        raise Missing("请写明是哪些通话", rule=provision.rule, field="calls")
    async with centre.db.begin() as session:
        content = await _content(session, list(dict.fromkeys(calls)), provision)
        made = NuisancePackage(
            at=centre.now(),
            by=actor.name,
            why=reason,
            calls=list(dict.fromkeys(calls)),
            sha256=_hash(content),
        )
        session.add(made)
    return made


async def decide_package(
    centre: Centre, package_id: int, actor: Actor, *, approve: bool, why: str = ""
) -> NuisancePackage:
    """Approve a package or dismiss it; never by the person who made it. Raises as `make_package`, IllegalTransition."""
    provision = _provision(centre)
    check_actor(actor, centre.jurisdiction)
    if role_of(actor.role) not in DECIDES:
        raise NotAllowed("移交公安机关由当班管理岗或中心管理办公室决定", rule=provision.rule, field="role")
    reason = given.text("why", why, rule=provision.rule, what="不移交的理由", required=not approve)
    async with centre.db.begin() as session:
        found = await _package(session, package_id, provision)
        if found.state != "made":
            raise IllegalTransition("这份材料已经决定过", rule=provision.rule)
        if found.by == actor.name:
            raise NotAllowed("整理材料的人不能自己批准移交", rule=provision.rule, field="actor")
        found.state = "approved" if approve else "dismissed"
        found.decided_at, found.decided_by = centre.now(), actor.name
        if reason:
            found.why = f"{found.why}\n{reason}"
    return found


async def hand_over(centre: Centre, package_id: int, actor: Actor, *, to: str) -> dict[str, Any]:
    """The approved package's content for the police, and a note of who received it.

    Raises IllegalTransition before the approval, or when what it was made of has changed since; as `make_package`.
    """
    provision = _provision(centre)
    check_actor(actor, centre.jurisdiction)
    if role_of(actor.role) not in DECIDES:
        raise NotAllowed("移交公安机关由当班管理岗或中心管理办公室办理", rule=provision.rule, field="role")
    receiver = given.text("to", to, rule=provision.rule, what="接收的公安机关和人员", limit=200)
    async with centre.db.begin() as session:
        found = await _package(session, package_id, provision)
        if found.state not in ("approved", "handed_over"):
            raise IllegalTransition("移交之前要经批准", rule=provision.rule)
        content = await _content(session, found.calls, provision)
        if _hash(content) != found.sha256:
            raise IllegalTransition("材料整理以后记录有变动，请重新整理并批准", rule=provision.rule)
        if found.state == "approved":
            found.state = "handed_over"
            found.handed_over_at, found.handed_over_to = centre.now(), receiver
    return content | {"sha256": found.sha256}


async def _content(session: AsyncSession, calls: Sequence[str], provision: Nuisance) -> dict[str, Any]:
    entries = []
    callers: set[str] = set()
    for call_id in sorted(calls):
        call = await session.get(Call, call_id)
        marked = await session.get(NuisanceCall, call_id)
        if call is None or marked is None:
            raise BadValue(f"通话 {call_id} 没有登记为滋扰", rule=provision.rule, field="calls")
        callers.add(call.caller_key or call.caller_number)
        ticket = await session.scalar(select(Ticket).where(Ticket.call_id == call_id))
        said = [f"{one.speaker}: {one.text}" for one in await session.scalars(transcript_query(call_id))]
        entries.append(
            {
                "call_id": call_id,
                "number": call.caller_number,
                "called": call.called_number,
                "arrived_at": call.arrived_at.isoformat(),
                "answered_at": call.answered_at.isoformat() if call.answered_at else None,
                "ended_at": call.ended_at.isoformat() if call.ended_at else None,
                "agent": call.agent,
                "ticket": ticket.serial if ticket else None,
                "kind": KINDS[marked.kind],
                "note": marked.note,
                "marked_by": marked.by,
                "transcript": said,
            }
        )
    if len(callers) > 1:
        raise BadValue("一份材料只能是同一个来电人的通话", rule=provision.rule, field="calls")
    return {"rule": provision.rule, "article": provision.article, "calls": entries}


async def _package(session: AsyncSession, package_id: int, provision: Nuisance) -> NuisancePackage:
    found = await session.get(NuisancePackage, package_id, with_for_update=True)
    if found is None:
        raise BadValue(f"没有编号为 {package_id} 的材料", rule=provision.rule, field="package_id")
    return found


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _provision(centre: Centre) -> Nuisance:
    found = centre.jurisdiction.law_at(centre.now()).nuisance
    if found is None:
        raise Silent(f"{centre.jurisdiction.name}的规定没有滋扰来电移交公安机关的条款", rule="QH-7")
    return found


def _rule(centre: Centre) -> str:
    found = centre.jurisdiction.law_at(centre.now()).nuisance
    return found.rule if found else "QH-7"
