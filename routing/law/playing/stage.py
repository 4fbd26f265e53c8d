"""What a case plays on: a database of its own, the time of the story, its tickets, and who acts in it.

The verbs of cases (做) and what they may check (查, 结果) register themselves here: @act("派单"), @check("状态").
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction
from routing.law.calendar import Calendar
from routing.law.cases import Case, CaseError, amount, local_time
from routing.law.provisions import Amount
from routing.life.states import ROLE_NAMES, UNIT_ROLES
from routing.storage import Database, Ticket
from routing.tickets import Actor

ROLES = {name: role for role, name in ROLE_NAMES.items()} | {
    "采编员": "unit_clerk",
    "分管领导": "unit_leader",
    "主要负责人": "unit_head",
    "中心办公室": "center_office",
    "值班经理": "shift_manager",
    "区领导": "district_leadership",
    "纪委": "discipline",
}
"""How cases call the roles."""

MACHINE = "系统"


class Given:
    """The words of a step or of 已知, asked for by name; what nobody asked for is a mistake of the case."""

    def __init__(self, words: Mapping[str, Any], jurisdiction: Jurisdiction) -> None:
        self._words = dict(words)
        self._asked: list[str] = []
        self._jurisdiction = jurisdiction

    def has(self, name: str) -> bool:
        """Whether it is said."""
        self._asked.append(name)
        return name in self._words

    def any(self, name: str, default: Any = None) -> Any:
        """Whatever is said."""
        return self._words[name] if self.has(name) else default

    def text(self, name: str, default: str = "") -> str:
        """Words, as they are."""
        return str(self.any(name, default))

    def yes(self, name: str, *, default: bool = False) -> bool:
        """是 or 否."""
        said = self.any(name, default)
        if said in (True, "是"):
            return True
        if said in (False, "否"):
            return False
        raise CaseError(f"“{name}”写是或否，不是“{said}”")

    def number(self, name: str, default: int = 0) -> int:
        """A whole number."""
        said = self.any(name, default)
        if not isinstance(said, int):
            raise CaseError(f"“{name}”写一个数，不是“{said}”")
        return said

    def list(self, name: str) -> list[str]:
        """Several words; one alone is a list too."""
        said = self.any(name, [])
        return [str(one) for one in said] if isinstance(said, list) else [str(said)]

    def unit(self, name: str, default: str = "") -> str:
        """The id of a unit that is named in full, shortly, or by its id."""
        said = self.text(name, default)
        return unit_of(self._jurisdiction, said) if said else ""

    def units(self, name: str) -> tuple[str, ...]:
        """The ids of several units."""
        return tuple(unit_of(self._jurisdiction, said) for said in self.list(name))

    def amount(self, name: str) -> Amount | None:
        """A length of time: 48小时, 5个工作日."""
        said = self.any(name)
        if said is None:
            return None
        try:
            return amount(str(said))
        except ValueError:
            raise CaseError(f"“{name}: {said}”不是时长；写成 48小时、5个工作日") from None

    def time(self, name: str) -> datetime | None:
        """A time of the jurisdiction (UTC)."""
        said = self.any(name)
        if said is None:
            return None
        try:
            return local_time(said).replace(tzinfo=self._jurisdiction.zone).astimezone(UTC)
        except ValueError:
            raise CaseError(f"“{name}: {said}”不是时间；写成 2026-02-13 16:00") from None

    def pairs(self, name: str) -> dict[str, str]:
        """Names with their words."""
        said = self.any(name, {})
        if not isinstance(said, dict):
            raise CaseError(f"“{name}”写成“名称: 内容”")
        return {str(key): str(value) for key, value in said.items()}

    def nothing_left(self, what: str) -> None:
        """Raises CaseError when something was said that `what` does not know."""
        if unknown := [name for name in self._words if name not in self._asked]:
            raise CaseError(f"“{what}”不认识“{'、'.join(unknown)}”（有：{'、'.join(dict.fromkeys(self._asked))}）")


@dataclass
class Play:
    """One case at play. `at` is the time of the story (UTC); `config` holds the configuration, `folder` is its own."""

    case: Case
    db: Database
    jurisdiction: Jurisdiction
    calendar: Calendar
    config: Path
    folder: Path
    at: datetime
    tickets: dict[str, str] = field(default_factory=dict)
    """Their ids, by the names that the case gives them."""
    current: str = ""
    """The ticket that is meant where a step names none."""
    verb: str = ""
    """The words by which the step calls its act, for acts that have two (同意, 不同意)."""
    kept: dict[str, Any] = field(default_factory=dict)
    """What acts keep for later ones: the last answer of a service, keys, numbers of records."""

    @property
    def centre(self) -> Centre:
        """What the services are handed."""
        return Centre(self.db, self.jurisdiction, self.calendar, lambda: self.at)

    def named(self, name: str) -> str:
        """The id of a ticket of the story; "" means the one that was spoken of last."""
        name = name or self.current
        if name not in self.tickets:
            raise CaseError(f"没有叫“{name}”的工单（有：{'、'.join(self.tickets) or '还没有'}）")
        self.current = name
        return self.tickets[name]

    async def ticket(self, name: str = "") -> Ticket:
        """The ticket as it is now."""
        async with self.db.session() as session:
            return (await session.scalars(select(Ticket).where(Ticket.id == self.named(name)))).one()

    def local(self, moment: datetime) -> str:
        """A time as cases write it."""
        return moment.astimezone(self.jurisdiction.zone).strftime("%Y-%m-%d %H:%M")


Act = Callable[[Play, Actor, Given], Awaitable[None]]
Check = Callable[[Play, Any], Awaitable[Any]]

ACTS: dict[str, Act] = {}
CHECKS: dict[str, Check] = {}


def act(*names: str) -> Callable[[Act], Act]:
    """Register what somebody does, under the words by which cases call it."""

    def registered(function: Act) -> Act:
        ACTS.update(dict.fromkeys(names, function))
        return function

    return registered


def check(*names: str) -> Callable[[Check], Check]:
    """Register what can be looked at. The function is given what is expected and gives what there is, cut down to
    what was asked for; the two must be equal."""

    def registered(function: Check) -> Check:
        CHECKS.update(dict.fromkeys(names, function))
        return function

    return registered


def unit_of(jurisdiction: Jurisdiction, said: str) -> str:
    """The id of a unit. Raises CaseError when there is none of this name."""
    for unit in jurisdiction.units.values():
        if said in (unit.id, unit.name, unit.short):
            return unit.id
    raise CaseError(f"{jurisdiction.name}没有叫“{said}”的单位")


def actor_of(jurisdiction: Jurisdiction, said: str, name: str = "") -> Actor:
    """Who acts: a role of the centre (坐席), or a unit and a role in it (区住建局 采编员). Raises CaseError."""
    if said in ("", MACHINE):
        return Actor("machine", "machine")
    unit, _, role_name = said.rpartition(" ")
    role = ROLES.get(role_name)
    if role is None:
        raise CaseError(f"没有“{role_name}”这个身份（有：{'、'.join(ROLES)}）")
    if role in UNIT_ROLES and not unit:
        raise CaseError(f"“{role_name}”前面请写明单位，例如“区住建局 {role_name}”")
    return Actor(name or said, role, unit_of(jurisdiction, unit) if unit else "")


def words_of(problem: Exception) -> Iterator[tuple[str, str]]:
    """What a refusal says about itself: its code, rule and field."""
    yield "代码", str(getattr(problem, "code", ""))
    yield "依据", str(getattr(problem, "rule", ""))
    yield "字段", str(getattr(problem, "field", ""))
