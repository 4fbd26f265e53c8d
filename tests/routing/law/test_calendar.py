"""The working-day calendar: every day of 2026 as a start, the edges of months and years, and what must not start."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing.law.calendar import BeyondCalendar, Calendar
from routing.law.provisions import Amount, Duration
from settings import ROOT, ConfigurationError

CALENDARS = ROOT / "config" / "calendars"
SHANGHAI = ZoneInfo("Asia/Shanghai")

# 国务院办公厅关于2026年部分节假日安排的通知: written down here a second time, to be compared with.
OFF_2026 = [
    ("01-01", "01-03"),
    ("02-15", "02-23"),
    ("04-04", "04-06"),
    ("05-01", "05-05"),
    ("06-19", "06-21"),
    ("09-25", "09-27"),
    ("10-01", "10-07"),
]
MADE_UP_2026 = ["01-04", "02-14", "02-28", "05-09", "09-20", "10-10"]


def working_days_of_2026() -> set[date]:
    """Reckoned from the notice alone."""
    days = {date(2026, 1, 1) + timedelta(days=number) for number in range(365)}
    working = {day for day in days if day.isoweekday() <= 5}
    for first, last in OFF_2026:
        working -= {day for day in days if f"2026-{first}" <= day.isoformat() <= f"2026-{last}"}
    return working | {date.fromisoformat(f"2026-{day}") for day in MADE_UP_2026}


WORKING = working_days_of_2026()


def amount(value: int, unit: Duration = "working_day") -> Amount:
    return Amount(value=value, unit=unit)


def here(text: str) -> datetime:
    """A time of the jurisdiction, such as 2026-02-13 16:00."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.fixture(scope="module")
def calendar() -> Calendar:
    return Calendar.load(CALENDARS)


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    if not (folder / "cn.yaml").exists():
        (folder / "cn.yaml").write_text("{id: cn, name: 全国, timezone: Asia/Shanghai}", "utf-8")
    (folder / f"{name}.yaml").write_text(text, "utf-8")
    return folder


def test_every_day_of_2026(calendar: Calendar) -> None:
    wrong = [
        day
        for day in (date(2026, 1, 1) + timedelta(days=number) for number in range(365))
        if calendar.is_working_day(day) != (day in WORKING)
    ]
    assert wrong == []
    assert len(WORKING) == 248


@pytest.mark.parametrize("day", MADE_UP_2026)
def test_made_up_weekends_are_working_days(calendar: Calendar, day: str) -> None:
    assert date.fromisoformat(f"2026-{day}").isoweekday() >= 6
    assert calendar.is_working_day(date.fromisoformat(f"2026-{day}"))


def test_every_start_of_2026_for_1_to_30_working_days(calendar: Calendar) -> None:
    ordered = sorted(WORKING)
    reckoned = 0
    for number in range(365):
        day = date(2026, 1, 1) + timedelta(days=number)
        later = [other for other in ordered if other > day]
        for count in range(1, 31):
            for clock in ("00:00:00", "16:00:00", "23:59:59"):
                start = here(f"{day} {clock}")
                if len(later) < count:
                    with pytest.raises(BeyondCalendar):
                        calendar.add(start, amount(count))
                    continue
                due = calendar.add(start, amount(count)).astimezone(SHANGHAI)
                assert due == here(f"{later[count - 1]} 00:00") + timedelta(days=1), (start, count)
                reckoned += 1
    assert reckoned > 30_000


@pytest.mark.parametrize(
    ("start", "count", "last_day"),
    [
        ("2026-02-13 16:00", 5, "2026-02-27"),  # over Spring Festival, with the Saturday that is worked
        ("2026-02-14 23:59", 5, "2026-02-28"),
        ("2026-02-23 09:00", 1, "2026-02-24"),
        ("2026-02-27 09:00", 1, "2026-02-28"),  # a Saturday
        ("2026-04-30 17:00", 2, "2026-05-07"),
        ("2026-05-08 17:00", 1, "2026-05-09"),
        ("2026-09-18 17:00", 1, "2026-09-20"),  # a Sunday
        ("2026-09-30 17:00", 3, "2026-10-10"),
        ("2026-10-09 17:00", 2, "2026-10-12"),
        ("2026-01-01 00:00", 1, "2026-01-04"),
        ("2025-12-31 23:59", 1, "2026-01-04"),  # the year's end
        ("2024-02-28 12:00", 1, "2024-02-29"),  # a leap day
        ("2024-02-29 12:00", 1, "2024-03-01"),
        ("2023-02-28 12:00", 1, "2023-03-01"),
        ("2026-06-30 12:00", 1, "2026-07-01"),
        ("2018-12-28 12:00", 1, "2018-12-29"),  # a Saturday, worked for the New Year of 2019
        ("2018-12-29 12:00", 1, "2019-01-02"),
    ],
)
def test_limits_over_holidays_months_and_years(calendar: Calendar, start: str, count: int, last_day: str) -> None:
    due = calendar.add(here(start), amount(count)).astimezone(SHANGHAI)
    assert due == here(f"{last_day} 00:00") + timedelta(days=1)


@pytest.mark.parametrize(
    ("unit", "value", "due"),
    [
        ("minute", 30, "2026-02-16 23:15"),
        ("hour", 24, "2026-02-17 22:45"),
        ("hour", 48, "2026-02-18 22:45"),
        ("calendar_day", 2, "2026-02-18 22:45"),
    ],
)
def test_the_rest_runs_around_the_clock(calendar: Calendar, unit: Duration, value: int, due: str) -> None:
    assert calendar.add(here("2026-02-16 22:45"), amount(value, unit)) == here(due)


def test_around_the_clock_needs_no_year(calendar: Calendar) -> None:
    assert calendar.add(here("2031-12-31 23:50"), amount(30, "minute")) == here("2032-01-01 00:20")


def test_times_given_in_another_zone_count_by_the_jurisdictions_day(calendar: Calendar) -> None:
    # 16:30 UTC is half past midnight of the 27th there.
    start = datetime(2026, 2, 26, 16, 30, tzinfo=UTC)
    assert calendar.add(start, amount(1)) == here("2026-03-01 00:00")


def test_a_zone_west_of_the_date_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", "cn", "{id: cn, name: 全国, timezone: Asia/Urumqi}")
    calendar = Calendar.load(folder)
    start = datetime(2026, 2, 26, 17, 30, tzinfo=UTC)  # 23:30 in Urumqi, already the 27th in Shanghai
    assert calendar.add(start, amount(1)) == datetime(2026, 2, 27, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("due", "count", "asked_by"),
    [
        ("2026-02-28 00:00", 2, "2026-02-26 00:00"),
        ("2026-02-26 00:00", 2, "2026-02-15 00:00"),  # over Spring Festival: the 14th and the 25th are left
        ("2026-02-25 00:00", 2, "2026-02-14 00:00"),
        ("2026-01-06 00:00", 2, "2026-01-01 00:00"),
        ("2026-03-04 15:00", 2, "2026-03-02 15:00"),
        ("2026-03-07 15:00", 2, "2026-03-05 00:00"),  # a Saturday counts as the end of Friday
    ],
)
def test_the_last_moment_for_a_request(calendar: Calendar, due: str, count: int, asked_by: str) -> None:
    assert calendar.back(here(due), amount(count)) == here(asked_by)


def test_hours_before_a_limit(calendar: Calendar) -> None:
    assert calendar.back(here("2026-01-02 00:00"), amount(30, "hour")) == here("2025-12-31 18:00")


@pytest.mark.parametrize("start", ["2026-12-31 23:00", "2027-01-04 09:00", "2031-06-01 00:00"])
def test_beyond_the_last_year_it_raises(calendar: Calendar, start: str) -> None:
    with pytest.raises(BeyondCalendar) as raised:
        calendar.add(here(start), amount(1))
    assert raised.value.year == max(2027, int(start[:4]))
    assert f"没有 {raised.value.year} 年" in str(raised.value) and "config/calendars/cn.yaml" in str(raised.value)


def test_before_the_first_year_it_raises(calendar: Calendar) -> None:
    with pytest.raises(BeyondCalendar):
        calendar.is_working_day(date(2003, 12, 31))
    with pytest.raises(BeyondCalendar):
        calendar.back(here("2004-01-02 12:00"), amount(1))


def test_it_says_how_far_it_reaches(calendar: Calendar) -> None:
    assert calendar.last_day == date(2026, 12, 31)


UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How busy the machine is says nothing about calendars."""

moments = st.datetimes(min_value=datetime(2004, 1, 15), max_value=datetime(2026, 10, 1), timezones=st.just(SHANGHAI))
counts = st.integers(min_value=1, max_value=40)
units = st.sampled_from(["minute", "hour", "calendar_day", "working_day"])
CALENDAR = Calendar.load(CALENDARS)


@UNTIMED
@given(moments, moments, counts, units)
def test_a_later_event_never_has_an_earlier_limit(one: datetime, other: datetime, count: int, unit: Duration) -> None:
    first, second = sorted((one, other))
    assert CALENDAR.add(first, amount(count, unit)) <= CALENDAR.add(second, amount(count, unit))


@UNTIMED
@given(moments, counts, units)
def test_more_is_later(start: datetime, count: int, unit: Duration) -> None:
    assert start < CALENDAR.add(start, amount(count, unit)) < CALENDAR.add(start, amount(count + 1, unit))


@UNTIMED
@given(moments, counts, counts, units)
def test_putting_off_is_adding_once_more(start: datetime, first: int, second: int, unit: Duration) -> None:
    due = CALENDAR.add(start, amount(first, unit))
    assert CALENDAR.put_off(due, amount(second, unit)) == CALENDAR.add(start, amount(first + second, unit))


@UNTIMED
@given(moments, counts)
def test_back_undoes_putting_off(start: datetime, count: int) -> None:
    due = CALENDAR.add(start, amount(1))
    assert CALENDAR.back(CALENDAR.put_off(due, amount(count)), amount(count)) == due


@UNTIMED
@given(moments, counts)
def test_what_is_left_at_the_last_moment_is_the_amount(start: datetime, count: int) -> None:
    due = CALENDAR.put_off(CALENDAR.add(start, amount(1)), amount(count))
    latest = CALENDAR.back(due, amount(count))
    assert CALENDAR.working_time(latest, due) == timedelta(days=count)


@UNTIMED
@given(moments, counts)
def test_a_limit_ends_with_a_working_day(start: datetime, count: int) -> None:
    due = CALENDAR.add(start, amount(count)).astimezone(SHANGHAI)
    assert (due.hour, due.minute, due.second, due.microsecond) == (0, 0, 0, 0)
    assert CALENDAR.is_working_day(CALENDAR.last_day_before(due))
    assert timedelta(days=count) <= CALENDAR.working_time(start, due) <= timedelta(days=count + 1)


# ------------------------------------------------------------------ what config/calendars/ adds

YEAR_2027 = """
id: cn
name: 全国
timezone: Asia/Shanghai
years:
  - year: 2027
    document: 一份为测试写的通知
    holidays:
      - {name: 元旦, first: 2026-12-31, last: 2027-01-03}
      - {name: 春节, first: 2027-02-05, last: 2027-02-11}
    working_weekends: [2027-01-09]
"""


def test_a_year_that_is_entered(tmp_path: Path) -> None:
    calendar = Calendar.load(write(tmp_path / "c", "cn", YEAR_2027))
    assert calendar.last_day == date(2027, 12, 31)
    assert not calendar.is_working_day(date(2026, 12, 31))
    assert calendar.add(here("2026-12-30 10:00"), amount(6)) == here("2027-01-10 00:00")
    assert calendar.version != CALENDAR.version


def test_a_year_may_be_entered_before_the_library_has_it_and_stay(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "c",
        "cn",
        "{id: cn, name: 全国, timezone: Asia/Shanghai, years: [{year: 2026, document: 通知, "
        "holidays: [{name: 元旦, first: 2026-01-01, last: 2026-01-03}], working_weekends: [2026-01-04]}]}",
    )
    assert Calendar.load(folder).version == CALENDAR.version


def test_a_local_day_off_moves_limits_of_that_place_only(tmp_path: Path) -> None:
    days = "days: [{day: 2026-04-20, working: false, name: 三月三, document: 为测试写的}]"
    folder = write(tmp_path / "c", "sanya", f"id: sanya\nname: 三亚市\nentered: [2026]\n{days}")
    local, country = Calendar.load(folder, ["sanya"]), Calendar.load(folder)
    start = here("2026-04-17 10:00")
    assert country.add(start, amount(1)) == here("2026-04-21 00:00")
    assert local.add(start, amount(1)) == here("2026-04-22 00:00")
    assert local.version != country.version and local.version.startswith("cn+sanya-")
    assert local.not_entered(2026) == () and local.not_entered(2027) == ("sanya",)


def test_a_local_weekend_that_is_worked(tmp_path: Path) -> None:
    days = "days: [{day: 2026-04-18, working: true, name: 调休, document: 为测试写的}]"
    folder = write(tmp_path / "c", "sanya", f"id: sanya\nname: 三亚市\n{days}")
    assert Calendar.load(folder, ["sanya"]).add(here("2026-04-17 10:00"), amount(1)) == here("2026-04-19 00:00")


def test_the_version_is_of_the_days_not_of_the_files_words(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", "cn", "# 别的注释\n{name: 全国日历, id: cn, timezone: Asia/Shanghai}")
    assert Calendar.load(folder).version == CALENDAR.version


def test_the_shipped_files_are_read() -> None:
    for file in sorted(CALENDARS.glob("*.yaml")):
        names = [] if file.stem == "cn" else [file.stem]
        assert Calendar.load(CALENDARS, names).last_day >= date(2026, 12, 31)


LOCAL = "{{id: sanya, name: x, days: [{{day: {}, working: false, name: x, document: x}}]}}"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("cn", "{id: cn, name: x, timezone: Asia/Sanya}", "'Asia/Sanya' is not a timezone"),
        ("cn", YEAR_2027.replace("year: 2027", "year: 2028"), "2028 leaves a gap"),
        ("cn", YEAR_2027.replace("[2027-01-09]", "[2027-01-08]"), "must be a Saturday or Sunday of 2027"),
        ("cn", YEAR_2027.replace("[2027-01-09]", "[2027-01-02]"), "it can be one of them only"),
        ("cn", YEAR_2027.replace("last: 2027-02-11", "last: 2027-02-01"), "lies before first"),
        ("cn", YEAR_2027.replace("last: 2027-02-11", "last: 2027-03-11"), "at most 16 days"),
        ("cn", YEAR_2027.replace("2027-02-05, last: 2027", "2028-02-05, last: 2028"), "must touch the year"),
        ("cn", YEAR_2027.replace("document: 一份为测试写的通知", "document: ''"), "at least 1 character"),
        ("cn", YEAR_2027 + "day: []\n", "this key is not known here"),
        ("sanya", LOCAL.format("2027-04-09"), "enter that year first"),
        ("sanya", "{id: xinjiang, name: x}", "it must be 'sanya'"),
        ("sanya", LOCAL.format("2026-04-31"), "does not exist"),
        (
            "sanya",
            "{id: sanya, name: x, days: [{day: 2026-04-09, working: false, name: x, document: x},"
            " {day: 2026-04-09, working: true, name: x, document: x}]}",
            "each day may be there once",
        ),
        ("haikou", "{id: haikou, name: x}", "there is no local calendar 'sanya' (there are: haikou)"),
    ],
    ids=range(14),
)
def test_a_wrong_file_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    folder = write(tmp_path / "c", name, text)
    with pytest.raises(ConfigurationError) as raised:
        Calendar.load(folder, ["sanya"] if name != "cn" else [])
    assert message in str(raised.value) and str(folder) in str(raised.value)
