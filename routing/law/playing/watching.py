"""What cases call the watch, supervision, violations, appeals, and the new calendar."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from routing.law.calendar import Calendar
from routing.law.cases import CaseError
from routing.law.playing.stage import Given, Play, act, check, unit_of
from routing.life import appeals, recalculation, supervising
from routing.life.tables import EscalationRecord, ViolationRecord
from routing.tickets import Actor
from routing.watch import alerts, decisions, findings, inbox, rounds

_STATES = {"proposed": "待确认", "confirmed": "已确认", "dismissed": "已否定", "done": "已办结"}
_TRIGGERS = {
    "report": "举报",
    "overdue": "逾期",
    "group_event": "群体性事件",
    "redo_unsolved": "重办仍未解决",
    "leader_instruction": "领导批示",
    "leader_call": "领导接听",
    "concentrated": "集中投诉",
    "decided_unsolved": "已定承办意见仍未解决",
    "second_rating_bad": "第二次评价不满意",
    "other": "其他",
    "special_report": "紧急信息",
}
_SUBJECTS = {
    "不满意办结归档工单": "archived_dissatisfied",
    "月度考核结果": "monthly_assessment",
    "通报批评": "criticism",
    "归集": "data",
    "统计": "statistics",
    "考核结果": "assessment",
}


@act("巡查")
async def watch(play: Play, actor: Actor, given: Given) -> None:
    """One round of the watch: clocks, what happened since, what the day brings."""
    await rounds.look_at_clocks(play.centre)
    await findings.look_at_events(play.centre)
    await alerts.look_around(play.centre)


@check("提醒")
async def notices(play: Play, expected: Any) -> Any:
    """{单位 or 中心: [words that a notice in its inbox must hold]}; `没有` for an empty inbox."""
    found: dict[str, Any] = {}
    for whose, words in expected.items():
        unit = "" if whose == "中心" else unit_of(play.jurisdiction, whose)
        texts = [f"{one.kind} {one.rule} {one.text}" for one in await inbox.inbox(play.centre, unit)]
        if words == "没有":
            found[whose] = texts or "没有"
        else:
            found[whose] = [word if any(word in text for text in texts) else f"没有：{word}" for word in words]
    return found


@check("提议")
async def proposals(play: Play, expected: Any) -> Any:
    """[{触发, 状态, 督办, 呈批, 依据}] of the ticket: proposals to supervise or to submit, in their order."""
    ticket = await play.ticket()
    async with play.db.session() as session:
        query = select(EscalationRecord).where(EscalationRecord.ticket_id == ticket.id).order_by(EscalationRecord.id)
        records = list(await session.scalars(query))
    return [
        {
            name: value
            for name, value in {
                "触发": _TRIGGERS[one.trigger],
                "状态": _STATES[one.state],
                "督办": "是" if one.supervise else "否",
                "呈批": "是" if one.leadership else "否",
                "依据": one.rule,
            }.items()
            if not expected or name in expected[0]
        }
        for one in records
    ]


@check("违规")
async def violations(play: Play, expected: Any) -> Any:
    """{单位: [{条: V1, 状态: 待确认}]}."""
    async with play.db.session() as session:
        records = list(await session.scalars(select(ViolationRecord).order_by(ViolationRecord.id)))
    return {
        unit: [
            {"条": one.violation, "状态": _STATES[one.state]}
            for one in records
            if one.unit == unit_of(play.jurisdiction, unit)
        ]
        for unit in expected
    }


@act("确认提议", "否定提议")
async def decide_proposal(play: Play, actor: Actor, given: Given) -> None:
    """A person decides about the ticket's open proposal."""
    ticket = await play.ticket()
    async with play.db.session() as session:
        number = await session.scalar(
            select(EscalationRecord.id)
            .where(EscalationRecord.ticket_id == ticket.id, EscalationRecord.state == "proposed")
            .order_by(EscalationRecord.id)
        )
    decide = decisions.confirm_escalation if play.verb == "确认提议" else decisions.dismiss_escalation
    await decide(play.centre, number or 0, ticket.version, actor, why=given.text("理由"))


@act("确认违规", "否定违规")
async def decide_violation(play: Play, actor: Actor, given: Given) -> None:
    """A person decides about the first open violation of a unit."""
    number = await _violation(play, given.unit("单位"), "proposed")
    await decisions.decide_violation(
        play.centre, number, actor, confirmed=play.verb == "确认违规", why=given.text("理由")
    )


@act("记录违规")
async def record_violation(play: Play, actor: Actor, given: Given) -> None:
    """What only people can see."""
    await decisions.record_violation(
        play.centre, given.unit("单位"), given.text("条"), given.text("事实"), actor, ticket_id=None
    )


@act("通报批评")
async def criticise(play: Play, actor: Actor, given: Given) -> None:
    """The unit is criticised for its confirmed violation that was not criticised yet."""
    await decisions.criticise(play.centre, await _violation(play, given.unit("单位"), "confirmed"), actor)


async def _violation(play: Play, unit: str, state: str) -> int:
    async with play.db.session() as session:
        found = await session.scalar(
            select(ViolationRecord.id)
            .where(
                ViolationRecord.unit == unit, ViolationRecord.state == state, ViolationRecord.criticised_at.is_(None)
            )
            .order_by(ViolationRecord.id)
        )
    if found is None:
        raise CaseError(f"{play.jurisdiction.units[unit].short}没有这样的违规记录")
    return found


@act("列入督办", "呈批")
async def supervise(play: Play, actor: Actor, given: Given) -> None:
    """By a person's own decision; `触发` names the trigger of the law."""
    ticket = await play.ticket()
    by_name = {name: code for code, name in _TRIGGERS.items()}
    trigger = by_name.get(given.text("触发", "其他"), given.text("触发"))
    do = supervising.supervise if play.verb == "列入督办" else supervising.submit_to_leadership
    await do(play.centre, ticket.id, ticket.version, actor, why=given.text("理由"), trigger=trigger)


@act("批示")
async def instruct(play: Play, actor: Actor, given: Given) -> None:
    """What the leadership ordered on the last submission."""
    ticket = await play.ticket()
    async with play.db.session() as session:
        number = await session.scalar(
            select(EscalationRecord.id)
            .where(EscalationRecord.ticket_id == ticket.id, EscalationRecord.leadership)
            .order_by(EscalationRecord.id.desc())
        )
    await supervising.instruct(
        play.centre, ticket.id, ticket.version, actor, number=number or 0, instruction=given.text("内容")
    )


@act("申诉")
async def appeal(play: Play, actor: Actor, given: Given) -> None:
    """A unit appeals."""
    subject = _SUBJECTS.get(given.text("对象"), given.text("对象"))
    violation = await _criticised(play, actor.unit) if subject == "criticism" else None
    evidence = [appeals.Evidence(name, "0" * 63 + str(number)) for number, name in enumerate(given.list("证据"))]
    made = await appeals.file(
        play.centre,
        actor,
        subject,
        grounds=given.text("理由"),
        evidence=evidence,
        ticket_id=play.tickets[play.current] if given.yes("对工单") else None,
        violation_id=violation,
        period=given.text("期间"),
    )
    play.kept["appeal"] = made.id


async def _criticised(play: Play, unit: str) -> int | None:
    async with play.db.session() as session:
        found: int | None = await session.scalar(
            select(ViolationRecord.id)
            .where(ViolationRecord.unit == unit, ViolationRecord.criticised_at.is_not(None))
            .order_by(ViolationRecord.id.desc())
        )
    return found


@act("申诉通过", "申诉驳回")
async def decide_appeal(play: Play, actor: Actor, given: Given) -> None:
    """The centre decides after its inquiry."""
    await appeals.decide(play.centre, play.kept["appeal"], actor, grant=play.verb == "申诉通过", why=given.text("理由"))


@act("答复申诉单位")
async def tell_appeal(play: Play, actor: Actor, given: Given) -> None:
    """The unit is told."""
    await appeals.tell(play.centre, play.kept["appeal"], actor)


@check("不计入考核")
async def excluded(play: Play, expected: Any) -> Any:
    """{期间: [names of tickets and units]} that granted appeals take out."""
    names = {id_: name for name, id_ in play.tickets.items()}
    found = {}
    for period in expected:
        async with play.db.session() as session:
            out = await appeals.excluded(play.centre, session, str(period))
        found[period] = sorted(
            [*(names[one] for one in out.tickets), *(play.jurisdiction.units[one].short for one in out.units)]
        )
    return found


@act("启用新日历")
async def new_calendar(play: Play, actor: Actor, given: Given) -> None:
    """Local days that are entered later: `放假` and `上班` are lists of days. Open limits are recomputed."""
    lines = [
        f"  - {{day: {day}, working: {str(works).lower()}, name: 补录, document: 案例}}"
        for works, days in ((False, given.list("放假")), (True, given.list("上班")))
        for day in days
    ]
    folder = play.folder / "calendars"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cn.yaml").write_text(f"{{id: cn, name: 全国, timezone: {play.calendar.zone.key}}}", "utf-8")
    (folder / "entered_later.yaml").write_text("id: entered_later\nname: 补录\ndays:\n" + "\n".join(lines), "utf-8")
    play.calendar = Calendar.load(folder, ["entered_later"])
    await recalculation.recalculate(play.centre)
