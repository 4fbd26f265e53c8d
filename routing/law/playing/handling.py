"""What cases call the handling by units, and what the centre decides about it, up to the archive."""

from __future__ import annotations

from sqlalchemy import select

from routing.law.cases import CaseError
from routing.law.playing.stage import Given, Play, act
from routing.law.provisions import FormField
from routing.life import callback, extending, handling, rating, redo, returning, reviewing, submitting
from routing.life.tables import Clock, Submission, Task
from routing.storage import Ticket
from routing.tickets import Actor

_CLOCKS = {"联系": "contact", "启动": "start", "签收": "sign", "受理": "accept", "办结": "complete", "重办": "redo"}
_SOLVED = {name: code for code, name in callback.SOLVED.items()}
_OUTCOMES = {name: code for code, name in callback.OUTCOMES.items()}
_ABOUT = {"话务服务": rating.AGENT, "办理结果": rating.RESULT}


@act("已联系")
async def report_contact(play: Play, actor: Actor, given: Given) -> None:
    """The caller and the centre have been contacted."""
    ticket = await play.ticket()
    note = given.text("说明", "已与诉求人通话，情况已反馈区指挥中心")
    await handling.report_contact(play.centre, ticket.id, ticket.version, actor, note=note, at=given.time("联系时间"))


@act("签收")
async def sign(play: Play, actor: Actor, given: Given) -> None:
    """The unit confirms receipt."""
    ticket = await play.ticket()
    await handling.sign(play.centre, ticket.id, ticket.version, actor, received_by=given.text("接收人"))


@act("启动处理")
async def start_handling(play: Play, actor: Actor, given: Given) -> None:
    """Work on an emergency has begun."""
    ticket = await play.ticket()
    await handling.start_handling(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        report=given.text("反馈"),
        excused=given.text("不可抗力"),
        at=given.time("启动时间"),
    )


@act("确认不可抗力")
async def confirm_excuse(play: Play, actor: Actor, given: Given) -> None:
    """The centre confirms what held a unit up."""
    ticket = await play.ticket()
    await handling.confirm_excuse(
        play.centre, ticket.id, ticket.version, actor, unit=given.unit("单位"), why=given.text("核实")
    )


@act("现场防护")
async def secure(play: Play, actor: Actor, given: Given) -> None:
    """The scene of an emergency was made safe."""
    ticket = await play.ticket()
    await handling.secure(play.centre, ticket.id, ticket.version, actor, report=given.text("反馈"))


@act("说明逾期原因")
async def explain(play: Play, actor: Actor, given: Given) -> None:
    """Why a limit was missed."""
    ticket = await play.ticket()
    kind = _CLOCKS.get(given.text("时限"), given.text("时限"))
    async with play.db.session() as session:
        found = await session.scalar(
            select(Clock.id)
            .where(Clock.ticket_id == ticket.id, Clock.kind == kind, Clock.unit == actor.unit)
            .order_by(Clock.id.desc())
        )
    if found is None:
        raise CaseError(f"这个单位没有“{given.text('时限')}”这个时限")
    await handling.explain_missed_clock(
        play.centre, ticket.id, ticket.version, actor, clock_id=found, why=given.text("原因")
    )


@act("退单")
async def return_(play: Play, actor: Actor, given: Given) -> None:
    """The unit gives the ticket back."""
    ticket = await play.ticket()
    await returning.return_task(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        reason=given.text("理由"),
        basis=given.text("依据"),
        safety=given.text("安全排查"),
    )


@act("同意退单", "不同意退单")
async def review_return(play: Play, actor: Actor, given: Given) -> None:
    """The centre decides about a return; with a reason (理由) and, where there are several, of which unit."""
    ticket = await play.ticket()
    await returning.review_return(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        unit=given.unit("单位") or ticket.lead_unit,
        accepted=play.verb == "同意退单",
        why=given.text("理由"),
    )


@act("撤回")
async def take_back(play: Play, actor: Actor, given: Given) -> None:
    """The centre takes a ticket back by itself."""
    ticket = await play.ticket()
    await returning.take_back(play.centre, ticket.id, ticket.version, actor, why=given.text("理由"))


@act("申请延期")
async def ask_extension(play: Play, actor: Actor, given: Given) -> None:
    """The lead unit asks for more time."""
    ticket = await play.ticket()
    amount = given.amount("延期")
    if amount is None:
        raise CaseError("请写明延期多久，例如 48小时")
    await extending.ask_extension(
        play.centre, ticket.id, ticket.version, actor, amount=amount, reason=given.text("理由")
    )


@act("同意延期", "不同意延期")
async def decide_extension(play: Play, actor: Actor, given: Given) -> None:
    """The centre decides about the open request."""
    ticket = await play.ticket()
    await extending.decide_extension(
        play.centre, ticket.id, ticket.version, actor, granted=play.verb == "同意延期", why=given.text("理由")
    )


@act("告知诉求人")
async def tell_caller(play: Play, actor: Actor, given: Given) -> None:
    """The caller was told."""
    ticket = await play.ticket()
    await extending.tell_caller(play.centre, ticket.id, ticket.version, actor, what=given.text("内容"))


@act("提交结果")
async def submit(play: Play, actor: Actor, given: Given) -> None:
    """The unit's result: `办结表` by the names of its fields; 填全: something for every field that is demanded."""
    ticket = await play.ticket()
    fields = _form(play, ticket)
    said = given.any("办结表", "填全")
    if ticket.lead_unit != actor.unit:
        form = {"result": "已按分工办理"}
    elif said == "填全":
        form = filled(fields)
    else:
        ids = {field.name: field.id for field in fields}
        form = {ids.get(name, name): value for name, value in given.pairs("办结表").items()}
    await submitting.submit_result(play.centre, ticket.id, ticket.version, actor, form=form)


def _form(play: Play, ticket: Ticket) -> list[FormField]:
    return [
        field
        for one in play.jurisdiction.law_at(play.at).completion_forms
        if one.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency)
        for field in one.fields
    ]


def filled(fields: list[FormField]) -> dict[str, str]:
    """A form with the first choice taken everywhere, and words in every field that is then demanded."""
    form: dict[str, str] = {}
    for field in fields:
        if field.choices:
            form[field.id] = field.choices[0]
    for field in fields:
        wanted = field.required_when is None or form.get(field.required_when[0]) == field.required_when[1]
        if not field.choices and wanted:
            form[field.id] = "已按规定办理，并答复诉求人"
    return form


@act("审批")
async def approve(play: Play, actor: Actor, given: Given) -> None:
    """A leader of the unit approves the result."""
    ticket = await play.ticket()
    await submitting.approve(play.centre, ticket.id, ticket.version, actor)


@act("审批退回")
async def disapprove(play: Play, actor: Actor, given: Given) -> None:
    """A leader of the unit sends the result back inside."""
    ticket = await play.ticket()
    await submitting.disapprove(play.centre, ticket.id, ticket.version, actor, why=given.text("理由"))


@act("复核通过", "复核不通过")
async def review(play: Play, actor: Actor, given: Given) -> None:
    """The centre passes the result or not."""
    ticket = await play.ticket()
    await reviewing.review_result(
        play.centre, ticket.id, ticket.version, actor, passed=play.verb == "复核通过", why=given.text("理由")
    )


@act("退回重办")
async def order_redo(play: Play, actor: Actor, given: Given) -> None:
    """The centre sends it back to be done again; `认定: 齐全` gives all that the law wants found."""
    ticket = await play.ticket()
    law = play.jurisdiction.law_at(play.at).redo
    findings = list(law.findings) if given.any("认定") == "齐全" and law else given.list("认定")
    await redo.order_redo(play.centre, ticket.id, ticket.version, actor, findings=findings, why=given.text("理由"))


@act("终止调解")
async def end_mediation(play: Play, actor: Actor, given: Given) -> None:
    """Nothing more can be mediated."""
    ticket = await play.ticket()
    await reviewing.end_mediation(play.centre, ticket.id, ticket.version, actor, why=given.text("理由"))


@act("回访")
async def call_back(play: Play, actor: Actor, given: Given) -> None:
    """One attempt, with what the citizen said and how they rate it."""
    ticket = await play.ticket()
    ratings = []
    for about, said in given.any("评价", {}).items():
        words = Given(said if isinstance(said, dict) else {"等级": said}, play.jurisdiction)
        ratings.append(
            rating.Given(
                about=_ABOUT.get(about, about),
                level=words.text("等级"),
                reason=words.text("原因"),
                exclusion=words.text("不纳入"),
                evidence=words.text("佐证"),
            )
        )
        words.nothing_left("评价")
    await callback.record(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        outcome=_OUTCOMES.get(given.text("结果", "已接通"), given.text("结果", "已接通")),
        solved=_SOLVED.get(given.text("诉求人说"), given.text("诉求人说")),
        ratings=ratings,
        within=given.amount("限期"),
        note=given.text("说明"),
    )


@act("评价")
async def rate(play: Play, actor: Actor, given: Given) -> None:
    """One rating by itself; 本人: the citizen gave it directly."""
    ticket = await play.ticket()
    await rating.rate(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        rating.Given(
            about=_ABOUT.get(given.text("对象"), given.text("对象")),
            level=given.text("等级"),
            reason=given.text("原因"),
            exclusion=given.text("不纳入"),
            evidence=given.text("佐证"),
        ),
        by_citizen=given.yes("本人"),
    )


@act("归档")
async def archive(play: Play, actor: Actor, given: Given) -> None:
    """Done in every way."""
    ticket = await play.ticket()
    await reviewing.archive(play.centre, ticket.id, ticket.version, actor)


@act("办到")
async def bring_to(play: Play, actor: Actor, given: Given) -> None:
    """The ordinary way, step by step by the services, for what a case is not about: 待复核, 已复核, 已回访, 已归档."""
    stages = ("待复核", "已复核", "已回访", "已归档")
    to = given.text("到")
    if to not in stages:
        raise CaseError(f"只能办到{'、'.join(stages)}")
    await _to_review(play)
    if to == "待复核":
        return
    office, agent = Actor("中心办公室", "center_office"), Actor("坐席", "agent")
    ticket = await play.ticket()
    await reviewing.review_result(play.centre, ticket.id, ticket.version, office, passed=True)
    if to == "已复核":
        return
    ticket = await play.ticket()
    level = given.text("评价")
    ratings = [rating.Given(about=rating.RESULT, level=level)] if level else []
    await callback.record(
        play.centre, ticket.id, ticket.version, agent, outcome="reached", solved="solved", ratings=ratings
    )
    if to == "已归档":
        ticket = await play.ticket()
        await reviewing.archive(play.centre, ticket.id, ticket.version, agent)


async def _to_review(play: Play) -> None:
    """Every unit contacts, signs, hands in and approves; the assisting ones first."""
    ticket = await play.ticket()
    for unit in await _units(play, ticket):
        ticket = await play.ticket()
        clerk = Actor(f"{unit} 采编员", "unit_clerk", unit)
        task = await _task(play, ticket, unit)
        if task.contacted_at is None:
            ticket = await handling.report_contact(play.centre, ticket.id, ticket.version, clerk, note="已与诉求人通话")
        if task.state == "dispatched":
            ticket = await handling.sign(play.centre, ticket.id, ticket.version, clerk)
        await submitting.submit_result(play.centre, ticket.id, ticket.version, clerk, form=filled(_form(play, ticket)))
        for _ in ("unit_leader", "unit_head"):
            waiting = await _waiting(play, ticket, unit)
            if waiting is None:
                break
            ticket = await play.ticket()
            role = "unit_leader" if not waiting.approvals else "unit_head"
            await submitting.approve(play.centre, ticket.id, ticket.version, Actor(f"{unit} {role}", role, unit))


async def _units(play: Play, ticket: Ticket) -> list[str]:
    async with play.db.session() as session:
        query = select(Task).where(
            Task.ticket_id == ticket.id,
            Task.round == ticket.rounds,
            Task.state.in_(("dispatched", "accepted", "redo")),
        )
        found = list(await session.scalars(query.order_by(Task.id)))
    return [one.unit for one in sorted(found, key=lambda one: one.role == "lead")]


async def _task(play: Play, ticket: Ticket, unit: str) -> Task:
    async with play.db.session() as session:
        query = select(Task).where(Task.ticket_id == ticket.id, Task.unit == unit, Task.round == ticket.rounds)
        return (await session.scalars(query)).one()


async def _waiting(play: Play, ticket: Ticket, unit: str) -> Submission | None:
    async with play.db.session() as session:
        found: Submission | None = await session.scalar(
            select(Submission)
            .where(
                Submission.ticket_id == ticket.id,
                Submission.unit == unit,
                Submission.approved_at.is_(None),
                Submission.decision == "",
            )
            .order_by(Submission.id.desc())
        )
    return found
