"""What people give to the services: texts, ids, units, times, amounts; checked before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from routing.jurisdiction import Jurisdiction
from routing.law.provisions import Amount
from routing.life.errors import BadTime, BadValue, Missing
from routing.ticket_errors import quoted
from routing.tickets import MAX_FIELD_CHARACTERS, why_not_kept

_LONGEST = {"minute": 366 * 24 * 60, "hour": 366 * 24, "calendar_day": 366, "working_day": 250}
"""A year: no limit of a ticket is longer, and a slip of the finger is."""


def text(
    field: str,
    value: str,
    *,
    rule: str,
    what: str,
    required: bool = True,
    limit: int = MAX_FIELD_CHARACTERS,
) -> str:
    """The text without blanks around it. Raises Missing when it is required and empty, BadValue when it cannot be
    kept (too long, control characters). `what` names it for people.
    """
    kept = value.replace("\r\n", "\n").strip()
    if wrong := why_not_kept(kept, limit):
        raise BadValue(f"{what}：{wrong}", rule=rule, field=field)
    if required and not kept:
        raise Missing(f"请写明{what}", rule=rule, field=field)
    return kept


def one_of(field: str, value: str, known: Iterable[str], *, rule: str, what: str) -> str:
    """The value, when it is one of `known`. Raises Missing, BadValue that lists what there is."""
    there = list(known)
    if not value:
        raise Missing(f"请写明{what}（{_shown(there)}）", rule=rule, field=field)
    if value not in there:
        raise BadValue(f"没有“{quoted(value)}”这个{what}（有：{_shown(there)}）", rule=rule, field=field)
    return value


def unit(field: str, value: str, jurisdiction: Jurisdiction, *, rule: str) -> str:
    """The id of a unit of the jurisdiction. Raises Missing, BadValue."""
    if not value:
        raise Missing("请写明承办单位", rule=rule, field=field)
    if value not in jurisdiction.units:
        raise BadValue(f"“{quoted(value)}”不在{jurisdiction.name}的单位名单里", rule=rule, field=field)
    return value


def moment(
    field: str, value: datetime | None, *, now: datetime, since: datetime, rule: str, what: str, since_what: str
) -> datetime:
    """When something happened that is written down now; None: now. It lies between `since` and now. Raises BadTime."""
    if value is None:
        return now
    if value.tzinfo is None:
        raise BadTime(f"{what}没有时区，请写成 2026-02-13T16:00:00+08:00 这样", rule=rule, field=field)
    if value < since:
        raise BadTime(f"{what}早于{since_what}（{since:%Y-%m-%d %H:%M} UTC）", rule=rule, field=field)
    if value > now:
        raise BadTime(f"{what}在将来，只能写已经发生的", rule=rule, field=field)
    return value.astimezone(UTC)


def amount(field: str, value: Amount, *, rule: str, what: str) -> Amount:
    """A length of time, longer than none and of at most a year. Raises BadValue."""
    if value.value < 1:
        raise BadValue(f"{what}至少是 1", rule=rule, field=field)
    if value.value > _LONGEST[value.unit]:
        raise BadValue(f"{what}最长一年", rule=rule, field=field)
    return value


def local(at: datetime, jurisdiction: Jurisdiction) -> str:
    """A moment as people of the jurisdiction read it: 2026-02-13 16:00."""
    return f"{at.astimezone(jurisdiction.zone):%Y-%m-%d %H:%M}"


def _shown(known: list[str]) -> str:
    return "、".join(known[:20]) + (f"等 {len(known)} 个" if len(known) > 20 else "")
