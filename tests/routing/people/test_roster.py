"""The duty of bureau chiefs (YZ-30): planned, published, shown, attended; the complaints of the day are found."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from routing.centre import Centre
from routing.life.errors import BadTime, BadValue, LawError, Missing, NotAllowed
from routing.people import roster
from routing.people.roster import Duty
from routing.storage import Ticket
from routing.tickets import Actor
from tests.routing.people.conftest import CLERK, OFFICE, WANG, Clockwork

TODAY = date(2026, 11, 20)
MONDAY = date(2026, 11, 23)
DUTY = Duty(TODAY, "yz.zhujian", "王局长", "局长", "13911112222")


async def test_planned_published_and_shown_on_the_day(centre: Centre, clockwork: Clockwork) -> None:
    await roster.plan(centre, OFFICE, [DUTY, Duty(MONDAY, "yz.renshe", "黎局长")])
    (today,) = await roster.on_duty(centre)
    assert (today.chief, today.telephone, today.published_at) == ("王局长", "13911112222", None)
    text = await roster.publish(centre, OFFICE, TODAY, MONDAY)
    assert text.split("\n")[1:] == [
        "11月20日（星期五）  崖州区住房和城乡建设局  王局长（局长）",
        "11月23日（星期一）  崖州区人力资源和社会保障局  黎局长",
    ]
    assert "139" not in text
    assert all(duty.published_by == OFFICE.name for duty in await roster.roster(centre, TODAY, MONDAY))
    clockwork.passes(timedelta(days=3))
    assert [duty.chief for duty in await roster.on_duty(centre)] == ["黎局长"]


async def test_another_person_has_to_be_published_again(centre: Centre) -> None:
    await roster.plan(centre, OFFICE, [DUTY])
    await roster.publish(centre, OFFICE, TODAY, TODAY)
    await roster.plan(centre, OFFICE, [Duty(TODAY, "yz.zhujian", "王局长", "局长", "13900000000")])
    assert (await roster.on_duty(centre))[0].published_at == centre.now()
    await roster.plan(centre, OFFICE, [Duty(TODAY, "yz.zhujian", "李副局长", "副局长")])
    (today,) = await roster.on_duty(centre)
    assert (today.chief, today.published_at) == ("李副局长", None)


async def test_attendance_is_written_down_and_absence_noticed(centre: Centre, clockwork: Clockwork) -> None:
    duty, _ = await roster.plan(centre, OFFICE, [DUTY, Duty(TODAY, "yz.renshe", "黎局长")])
    came = clockwork.at - timedelta(hours=1)
    with pytest.raises(BadTime):
        await roster.attend(centre, WANG, duty.id, left_at=came)
    await roster.attend(centre, WANG, duty.id, arrived_at=came, note="接听三件")
    for wrong in ({"arrived_at": clockwork.at + timedelta(hours=1)}, {"arrived_at": came - timedelta(days=1)}):
        with pytest.raises(BadTime):
            await roster.attend(centre, WANG, duty.id, **wrong)
    done = await roster.attend(centre, WANG, duty.id, left_at=clockwork.at)
    assert (done.arrived_at, done.left_at, done.note) == (came, clockwork.at, "接听三件")
    assert await roster.absences(centre, TODAY) == []
    clockwork.passes(timedelta(days=1))
    assert [one.chief for one in await roster.absences(centre, TODAY)] == ["黎局长"]
    with pytest.raises(BadValue):
        await roster.attend(centre, WANG, 999, arrived_at=clockwork.at)
    with pytest.raises(NotAllowed):
        await roster.attend(centre, CLERK, duty.id, arrived_at=clockwork.at)


async def test_the_complaints_of_the_day_for_the_department_are_found(centre: Centre, clockwork: Clockwork) -> None:
    (duty,) = await roster.plan(centre, OFFICE, [DUTY])
    midnight = clockwork.at.replace(hour=16) - timedelta(days=1)
    cases = [
        ("complaint of today", {"intent": "complaint"}, midnight),
        ("report for them as lead", {"intent": "report", "functional_unit": "yz.renshe", "lead_unit": "yz.zhujian"}, 1),
        ("sudden event", {"intent": "help", "urgency": "emergency"}, 2),
        ("yesterday's", {"intent": "complaint"}, midnight - timedelta(microseconds=1)),
        ("tomorrow's", {"intent": "complaint"}, midnight + timedelta(days=1)),
        ("another department's", {"intent": "complaint", "functional_unit": "yz.renshe"}, 3),
        ("a question", {"intent": "consult"}, 4),
        ("of discipline", {"intent": "report", "restricted_to": "yz.jiwei"}, 5),
    ]
    async with centre.db.begin() as session:
        for number, (name, columns, at) in enumerate(cases):
            created = midnight + timedelta(hours=at) if isinstance(at, int) else at
            values = {"functional_unit": "yz.zhujian", "urgency": "normal"} | columns
            session.add(
                Ticket(
                    serial=f"{number} {name}", jurisdiction="yazhou", created_at=created, updated_at=created, **values
                )
            )
    found = [ticket.serial.partition(" ")[2] for ticket in await roster.matters_of_the_day(centre, duty)]
    assert found == ["complaint of today", "report for them as lead", "sudden event"]


@pytest.mark.parametrize(
    ("actor", "wrong", "problem"),
    [
        (WANG, DUTY, NotAllowed),
        (CLERK, DUTY, NotAllowed),
        (Actor("x", "center_office", "yz.zhujian"), DUTY, NotAllowed),
        (OFFICE, Duty(TODAY - timedelta(days=1), "yz.zhujian", "x"), BadTime),
        (OFFICE, Duty(date(2062, 1, 1), "yz.zhujian", "x"), BadTime),
        (OFFICE, Duty(TODAY, "yz.nobody", "x"), BadValue),
        (OFFICE, Duty(TODAY, "yz.zhujian", ""), Missing),
    ],
    ids=range(7),
)
async def test_nonsense_is_no_duty(centre: Centre, actor: Actor, wrong: Duty, problem: type[LawError]) -> None:
    with pytest.raises(problem) as refused:
        await roster.plan(centre, actor, [Duty(MONDAY, "yz.renshe", "黎局长"), wrong])
    assert refused.value.rule == "YZ-30"
    assert await roster.roster(centre, TODAY - timedelta(days=9), date(2063, 1, 1)) == []


async def test_an_empty_roster_is_not_published(centre: Centre) -> None:
    with pytest.raises(BadTime, match="没有安排"):
        await roster.publish(centre, OFFICE, TODAY, MONDAY)
