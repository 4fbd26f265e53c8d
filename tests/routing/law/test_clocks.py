"""How a limit moves once it runs, by property; and that what a dispatch starts is what the documents say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from routing.jurisdiction import Jurisdiction, load
from routing.law import clocks
from routing.law.calendar import Calendar
from routing.law.clocks import PutOff, Step, Stopped
from routing.law.provisions import Amount, Duration, OtherLaw
from settings import ROOT

SHANGHAI = ZoneInfo("Asia/Shanghai")
CALENDAR = Calendar.load(ROOT / "config" / "calendars")


def amount(value: int, unit: Duration = "working_day") -> Amount:
    return Amount(value=value, unit=unit)


def here(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


# ------------------------------------------------------------------ how a limit moves


@pytest.mark.parametrize(
    ("start", "limit", "steps", "due"),
    [
        ("2026-03-02 10:00", amount(48, "hour"), [PutOff(amount=amount(48, "hour"))], "2026-03-06 10:00"),
        ("2026-02-09 10:00", amount(5), [PutOff(amount=amount(5))], "2026-03-01 00:00"),
        # Handed in with a day and a half left, rejected five days later.
        (
            "2026-03-02 10:00",
            amount(48, "hour"),
            [Stopped(at=here("2026-03-02 22:00"), until=here("2026-03-07 22:00"))],
            "2026-03-09 10:00",
        ),
        # Handed in on Tuesday afternoon, rejected on Monday morning: 90 hours of working days, so three of them.
        (
            "2026-03-06 10:00",
            amount(5),
            [Stopped(at=here("2026-03-10 15:00"), until=here("2026-03-16 09:00"))],
            "2026-03-19 00:00",
        ),
        # Ten minutes around midnight, again and again: no working day is gained.
        (
            "2026-03-02 09:00",
            amount(5),
            [Stopped(at=here(f"2026-03-0{day} 23:55"), until=here(f"2026-03-0{day + 1} 00:05")) for day in range(2, 6)],
            "2026-03-10 00:00",
        ),
        # On its last day: the nine hours that were left are left again, on the next day on which people work.
        (
            "2026-03-06 10:00",
            amount(1),
            [Stopped(at=here("2026-03-09 15:00"), until=here("2026-03-14 09:00"))],
            "2026-03-16 09:00",
        ),
        (
            "2026-03-02 09:00",
            amount(5),
            [Stopped(at=here("2026-03-09 23:55"), until=here("2026-03-10 00:05"))],
            "2026-03-10 00:10",
        ),
        # Over before it was handed in: it stays over.
        (
            "2026-03-02 10:00",
            amount(30, "minute"),
            [Stopped(at=here("2026-03-02 11:00"), until=here("2026-03-05 11:00"))],
            "2026-03-02 10:30",
        ),
        # An extension of hours after a stop, as both come in life.
        (
            "2026-03-02 10:00",
            amount(48, "hour"),
            [
                Stopped(at=here("2026-03-02 12:00"), until=here("2026-03-02 18:00")),
                PutOff(amount=amount(24, "hour")),
            ],
            "2026-03-05 16:00",
        ),
    ],
    ids=range(9),
)
def test_steps(start: str, limit: Amount, steps: list[Step], due: str) -> None:
    assert clocks.due(CALENDAR, here(start), limit, steps) == here(due)


UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How busy the machine is says nothing about calendars."""

moments = st.datetimes(min_value=datetime(2024, 1, 15), max_value=datetime(2026, 3, 1), timezones=st.just(SHANGHAI))
limits = st.builds(
    amount,
    st.integers(min_value=1, max_value=30),
    st.sampled_from(["minute", "hour", "calendar_day", "working_day"]),
)
put_offs = st.builds(lambda limit: PutOff(amount=limit), limits)
stops = st.builds(
    lambda at, length: Stopped(at=at, until=at + length), moments, st.timedeltas(timedelta(), timedelta(days=20))
)
steps_of_a_limit = st.lists(put_offs | stops, max_size=4)


@UNTIMED
@given(moments, limits, steps_of_a_limit, put_offs)
def test_an_extension_never_shortens(start: datetime, limit: Amount, steps: list[Step], more: PutOff) -> None:
    assert clocks.due(CALENDAR, start, limit, [*steps, more]) > clocks.due(CALENDAR, start, limit, steps)


@UNTIMED
@given(moments, limits, steps_of_a_limit, stops)
def test_a_rejected_result_never_shortens(start: datetime, limit: Amount, steps: list[Step], stop: Stopped) -> None:
    assert clocks.due(CALENDAR, start, limit, [*steps, stop]) >= clocks.due(CALENDAR, start, limit, steps)


@UNTIMED
@given(moments, limits, stops)
def test_no_more_is_left_after_a_stop_than_before(start: datetime, limit: Amount, stop: Stopped) -> None:
    before = clocks.due(CALENDAR, start, limit)
    if stop.at < start or stop.at >= before or limit.unit != "working_day":
        return
    after = clocks.due(CALENDAR, start, limit, [stop])
    gained = CALENDAR.working_time(before, after)
    assert gained <= CALENDAR.working_time(stop.at, stop.until), "a pause gives back at most its own length"
    if stop.until <= before:
        assert gained % timedelta(days=1) == timedelta(), "and only whole working days while the limit has not passed"


@UNTIMED
@given(moments, limits, steps_of_a_limit)
def test_recomputing_with_the_same_calendar_changes_nothing(start: datetime, limit: Amount, steps: list[Step]) -> None:
    due = clocks.due(CALENDAR, start, limit, steps)
    kept = clocks.as_json(steps)
    assert clocks.due(CALENDAR, start, limit, clocks.from_json(kept)) == due
    assert clocks.as_json(clocks.from_json(kept)) == kept


def test_a_new_calendar_gives_the_new_limit(tmp_path: Path) -> None:
    (tmp_path / "cn.yaml").write_text("{id: cn, name: 全国, timezone: Asia/Shanghai}", "utf-8")
    (tmp_path / "sanya.yaml").write_text(
        "{id: sanya, name: x, days: [{day: 2026-04-20, working: false, name: 三月三, document: 为测试写的}]}", "utf-8"
    )
    local = Calendar.load(tmp_path, ["sanya"])
    steps = [PutOff(amount=amount(2))]
    assert clocks.due(CALENDAR, here("2026-04-16 10:00"), amount(1), steps) == here("2026-04-22 00:00")
    assert clocks.due(local, here("2026-04-16 10:00"), amount(1), steps) == here("2026-04-23 00:00")


@pytest.mark.parametrize(
    "kept",
    [
        [{"step": "put_off"}],
        [{"step": "shortened", "amount": {"value": 1, "unit": "hour"}}],
        [{"step": "put_off", "amount": {"value": -1, "unit": "hour"}}],
        [{"step": "stopped", "at": "gestern", "until": "2026-03-05T11:00:00Z"}],
    ],
    ids=["no amount", "unknown", "negative", "no time"],
)
def test_steps_that_nobody_wrote(kept: list[dict[str, object]]) -> None:
    with pytest.raises(ValidationError):
        clocks.from_json(kept)


# ------------------------------------------------------------------ what a dispatch starts

LAWS = [load(file) for file in sorted((ROOT / "config" / "jurisdictions").glob("*.yaml"))]


@UNTIMED
@given(moments, st.sampled_from(LAWS), st.data())
def test_acceptance_never_extends_completion(at: datetime, law: Jurisdiction, data: st.DataObject) -> None:
    intent = data.draw(st.sampled_from([one.id for one in law.intents]))
    handling_class = data.draw(st.sampled_from([one.id for one in law.handling_classes]))
    urgency = data.draw(st.sampled_from([one.id for one in law.urgencies]))
    started = clocks.started(
        law, CALENDAR, at=at, starts="dispatch", intent=intent, handling_class=handling_class, urgency=urgency
    )
    due = {clock.kind: clock.due_at for clock in started}
    assert len(due) == len(started), "one limit of each kind"
    assert all(clock.started_at == at < clock.due_at for clock in started)
    for sooner in ("contact", "start", "safety", "sign", "accept", "return"):
        if sooner in due and "complete" in due:
            assert due[sooner] <= due["complete"], (law.id, intent, handling_class, urgency, sooner)
    citizens = clocks.citizens_clock(started)
    assert (citizens.due_at if citizens else None) == due.get("complete")


# ------------------------------------------------------------------ another law's limit


def other_law(direction: str) -> OtherLaw:
    return OtherLaw.model_validate(
        {"direction": direction, "article": "第十八条", "rule": "YZ-18", "since": date(2021, 7, 16)}
    )


def running(limit: Amount) -> clocks.StartedClock:
    start = here("2026-03-02 10:00")
    return clocks.StartedClock(
        kind="complete",
        started_at=start,
        due_at=clocks.due(CALENDAR, start, limit),
        amount=limit,
        rule="YZ-18",
        article="第十八条",
        phrase="5个工作日内办结",
        ruling=None,
        calendar_version=CALENDAR.version,
    )


@pytest.mark.parametrize(("direction", "days"), [("any", 20), ("any", 2), ("stricter_only", 2), ("stricter_only", 5)])
def test_another_law_replaces_the_limit(direction: str, days: int) -> None:
    clock = running(amount(5))
    replaced = clocks.by_other_law(CALENDAR, other_law(direction), clock, amount(days), "某法第一条")
    assert replaced.due_at == CALENDAR.add(clock.started_at, amount(days))
    assert replaced.article == "某法第一条" and replaced.rule == "YZ-18" and replaced.kind == "complete"


def test_only_a_stricter_one_where_the_document_says_so() -> None:
    with pytest.raises(clocks.NotStricter):
        clocks.by_other_law(CALENDAR, other_law("stricter_only"), running(amount(5)), amount(6), "某法第一条")


# ------------------------------------------------------------------ when the watch looks


def test_looks_at_fractions_of_the_limit() -> None:
    start, due = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
    looks = clocks.looks(start, due, (0.75, 0.5))
    assert [fraction for fraction, _ in looks] == [0.5, 0.75, 1.0]
    assert [at.hour for _, at in looks] == [12, 18, 0]


@pytest.mark.parametrize(("warned", "hour"), [(0.0, 12), (0.5, 18), (0.75, 0), (1.0, None)])
def test_the_next_look_is_the_first_that_was_not_told(warned: float, hour: int | None) -> None:
    start, due = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
    look = clocks.next_look(start, due, (0.5, 0.75), warned)
    assert (look[1].hour if look else None) == hour
