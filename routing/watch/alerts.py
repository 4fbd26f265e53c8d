"""What the calendar day brings, looked for once a day: limits beyond the calendar, stale knowledge, units that have to
send experts, matters that come back month after month, changed contacts that nobody has reported.

Each is said once for its own occasion (a year, a month and unit, an item), so that looking again says nothing new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from routing.centre import Centre
from routing.dispatching.clusters import clusters
from routing.knowledge.items import stale_items
from routing.people.contacts import POSITIONS, changes_to_report
from routing.statistics.figures import figures
from routing.statistics.periods import containing
from routing.storage import DATABASE_AWAY
from routing.watch.notices import CENTRE, Said, Suspected, mark, propose_violations, say
from routing.watch.rounds import unit_name
from routing.watch.tables import WatchMark

_Found = TypeVar("_Found")

_MARK = "day"

_AHEAD = timedelta(days=90)
"""How long before its end the calendar is asked for: more than the longest limit with all its extensions, which is 15
working days and 30 more (TP-17(1)), and time to enter a new year's days once they are announced (usually November)."""


async def look_around(centre: Centre) -> int:
    """Say what the day brings, unless it was said already; returns how many notices and proposals are new.

    A subject that cannot be looked at keeps no other from being said: what was found is kept first, then its error is
    raised, and the day is looked at again. So it is when the database fails; then nothing is kept.
    """
    now = centre.now()
    today = centre.calendar.day_of(now)
    async with centre.db.begin() as session:
        reminded = await say(session, _training(centre), now, again=False)
    async with centre.db.session() as session:
        last = await session.get(WatchMark, _MARK)
    if last is not None and centre.calendar.day_of(last.until) >= today:
        return reminded
    problems: list[Exception] = []
    said: list[Said] = []
    for look in (_calendar, _experts, _clusters, _stale_knowledge, _contacts):
        said += await _found(look, centre, problems)
    suspected = await _found(_long_stale_knowledge, centre, problems)
    async with centre.db.begin() as session:
        new = await say(session, said, now, again=False)
        new += await propose_violations(session, suspected, now)
        if not problems:
            await mark(session, _MARK, now)
    if problems:
        raise problems[0] if len(problems) == 1 else ExceptionGroup("subjects of the day", problems)
    return reminded + new


def _training(centre: Centre) -> list[Said]:
    """The reminder after the shift, from its hour on, and the regular training, once in each span (QH-1)."""
    here = centre.now().astimezone(centre.jurisdiction.zone)
    today = here.date()
    law = centre.jurisdiction.law_at(centre.now()).training
    if law is None:
        return []
    said = []
    if law.reminder_at is not None and f"{here:%H:%M}" >= law.reminder_at:
        elements = "、".join(law.elements)
        text = f"交班后的日提醒：接话按五要素（{elements}）询问记录（{law.article}）"
        said.append(Said(f"reminder:{today}", CENTRE, "training", text, law.rule))
    if law.every is not None:
        # Counted from the day from which the rule holds; said at the first look of each span, however late that is.
        begun = today - timedelta(days=(today - law.since).days % law.every.value)
        text = f"{begun:%Y年%m月%d日}起的 {law.every.value} 天里应开展一次全员培训（{law.article}）"
        said.append(Said(f"training:{begun}", CENTRE, "training", text, law.rule))
    return said


async def _found(
    look: Callable[[Centre], Awaitable[list[_Found]]], centre: Centre, problems: list[Exception]
) -> list[_Found]:
    """What one look finds; nothing, and one problem more, when it fails for any reason but the database."""
    try:
        return await look(centre)
    except DATABASE_AWAY:
        raise
    except Exception as problem:
        problems.append(problem)
        return []


async def _calendar(centre: Centre) -> list[Said]:
    """The years whose working days nobody has entered, and which limits will soon reach into."""
    calendar = centre.calendar
    today = calendar.day_of(centre.now())
    said = []
    if calendar.last_day < today + _AHEAD:
        year = calendar.last_day.year + 1
        text = (
            f"工作日历只到 {calendar.last_day:%Y年%m月%d日}，{year} 年的放假和调休安排还没有录入；"
            "到期日落在以后的工单无法派单，请在 config/calendars/ 录入"
        )
        said.append(Said(f"calendar:{year}", CENTRE, "calendar", text, "S12"))
    for year in sorted({today.year, (today + _AHEAD).year}):
        for name in calendar.not_entered(year):
            text = f"本地放假日 {name} 还没有 {year} 年的，请核对后录入 config/calendars/{name}.yaml"
            said.append(Said(f"calendar:{name}:{year}", CENTRE, "calendar", text, "S12"))
    return said


async def _experts(centre: Centre) -> list[Said]:
    """Units whose consults of the month before were answered at once too seldom (YZ-29): they send experts."""
    law = centre.jurisdiction.law_at(centre.now()).on_site_experts
    if law is None:
        return []
    month = containing(centre.calendar.day_of(centre.now()), "month").before()
    said = []
    for unit, of_unit in (await figures(centre, month, by="unit")).items():
        rate = of_unit.first_answers
        if unit and rate.value is not None and rate.value < law.first_answer_below:
            text = (
                f"{unit_name(centre, unit)}{month.first:%Y年%m月}咨询类办件一次性解答率 {rate.percent()}"
                f"（{rate.part}/{rate.whole}），低于 {law.first_answer_below:.0%}，应派业务骨干进驻（{law.article}）"
            )
            said += [Said(f"experts:{unit}:{month.name}", to, "experts", text, law.rule) for to in (unit, CENTRE)]
    return said


async def _clusters(centre: Centre) -> list[Said]:
    """Matters without effect for so many months that the discipline inspection is told (TP-31)."""
    said = []
    for one in await clusters(centre):
        matter = centre.jurisdiction.name_of("matter", one.matter)
        text = (
            f"{one.place}的“{matter}”连续 {len(one.months)} 个月被反复投诉举报（共 {sum(one.told)} 次），"
            f"请核实整治效果；属不作为、慢作为的报送{unit_name(centre, one.to)}"
        )
        said.append(Said(f"cluster:{one.matter}:{one.place}:{one.months[-1]}", CENTRE, "cluster", text, one.rule))
    return said


async def _contacts(centre: Centre) -> list[Said]:
    """Changes of a unit's people that are not reported yet (YZ-10): once when they are noted, once when it is late."""
    today = centre.jurisdiction.law_at(centre.now())
    law = today.contacts
    if law is None:
        return []
    named = today.secrecy is None or not today.secrecy.hide_staff
    said = []
    for one in await changes_to_report(centre):
        who = f"（{one.change.after or '空缺'}）" if named else ""
        what = f"{unit_name(centre, one.change.unit)}的{POSITIONS[one.change.position]}已变动{who}"
        if one.overdue:
            text = f"{what}，逾期没有报中心备案（{law.article}）"
            said += [
                Said(f"contacts:{one.change.id}:late", to, "contacts", text, law.rule)
                for to in (one.change.unit, CENTRE)
            ]
        elif one.due_at is not None:
            text = f"{what}，请在{one.due_at.astimezone(centre.jurisdiction.zone):%Y年%m月%d日 %H:%M}前报中心备案"
            said.append(Said(f"contacts:{one.change.id}", one.change.unit, "contacts", text, law.rule))
        elif one.beyond is not None:
            text = f"{what}，请报中心备案；期限落在 {one.beyond} 年，工作日历还没有录入，算不出到期时间"
            said += [
                Said(f"contacts:{one.change.id}:beyond", to, "contacts", text, law.rule)
                for to in (one.change.unit, CENTRE)
            ]
    return said


async def _stale_knowledge(centre: Centre) -> list[Said]:
    law = centre.jurisdiction.law_at(centre.now()).knowledge
    return [
        Said(
            subject=f"knowledge:{item.id}:{item.review_by}",
            unit=item.owner_unit,
            kind="knowledge",
            text=f"知识库第 {item.id} 条“{version.title}”已过复核日期，请核对、更新或撤下",
            rule=law.rule if law else "YZ-34",
        )
        for item, version in await stale_items(centre)
    ]


async def _long_stale_knowledge(centre: Centre) -> list[Suspected]:
    """V8 for units that let a whole month pass without looking at an item whose day had come."""
    now = centre.now()
    law = next((one for one in centre.jurisdiction.law_at(now).violations if one.id == "V8"), None)
    if law is None:
        return []
    month = containing(centre.calendar.day_of(now), "month").before()
    stale = Counter(
        item.owner_unit
        for item, _ in await stale_items(centre)
        if item.owner_unit and item.review_by is not None and item.review_by < month.first
    )
    return [
        Suspected(
            unit=unit,
            violation="V8",
            occasion=f"knowledge:{month.name}",
            facts=f"{unit_name(centre, unit)}有 {count} 条知识到{month.first:%Y年%m月}底仍未按要求更新",
            rule=law.rule,
        )
        for unit, count in stale.items()
    ]
