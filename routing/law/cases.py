"""Law cases as they stand in files: what is given (已知), what happens (经过), what must be so then (结果).

A case names the rules that it proves. tests/law/README.md says how to write one; routing.law.play plays it with the
services of the hotline. Whoever writes nonsense is told file, case, step and what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from routing.law.provisions import Amount, Duration
from settings import HotlineError, YamlFile, read_yaml

_LATER = re.compile(r"^\+(\d+)(分钟|小时|天)$")
_LATER_BY = {"分钟": timedelta(minutes=1), "小时": timedelta(hours=1), "天": timedelta(days=1)}
_AMOUNT = re.compile(r"^(\d+)个?(分钟|小时|天|工作日)$")
_UNITS: dict[str, Duration] = {"分钟": "minute", "小时": "hour", "天": "calendar_day", "工作日": "working_day"}

_CASE_KEYS = ("案例", "证明", "辖区", "说明", "已知", "经过", "结果", "在别处证明")


class CaseError(HotlineError):
    """A case that cannot be read or played as it is written."""


@dataclass(frozen=True)
class Moment:
    """When a step happens: at a time of the jurisdiction, or so much later than the step before."""

    at: datetime | None = None
    later: timedelta = timedelta()

    def after(self, before: datetime, zone: ZoneInfo) -> datetime:
        """The moment itself, where `before` is that of the step before."""
        return self.at.replace(tzinfo=zone) if self.at else before + self.later


@dataclass(frozen=True)
class Step:
    """Somebody does something (`act`), or is prevented (`refused`: code and rule of the error); or a check only."""

    number: int
    when: Moment
    who: str
    act: str
    given: Mapping[str, Any]
    refused: Mapping[str, str] | None
    check: Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One case of a file. `elsewhere`: the test that proves it, where no case of this kind can."""

    file: Path
    name: str
    proves: tuple[str, ...]
    jurisdiction: str
    note: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None
    steps: tuple[Step, ...] = ()
    outcome: Mapping[str, Any] = field(default_factory=dict)
    elsewhere: str = ""

    def error(self, problem: str, step: Step | None = None) -> CaseError:
        """A CaseError that names the file, the case and the step."""
        place = f"第 {step.number} 步：" if step else ""
        return CaseError(f"{self.file.name}：案例“{self.name}”：{place}{problem}")


def read(path: Path) -> list[Case]:
    """The cases of one file. Raises ConfigurationError for what is no YAML, CaseError for what is no case."""
    tree = read_yaml(path)
    if not isinstance(tree.value, list) or not tree.value:
        raise tree.error((), "必须是一列案例，每个以“- 案例: 名称”开头")
    cases = [_case(tree, index, one) for index, one in enumerate(tree.value)]
    seen: set[str] = set()
    for index, case in enumerate(cases):
        if case.name in seen:
            raise tree.error((index, "案例"), f"案例“{case.name}”写了两次，名称不能重复")
        seen.add(case.name)
    return cases


def read_all(folder: Path) -> list[Case]:
    """The cases of all files of `folder`, in the order of their names."""
    return [case for path in sorted(folder.glob("*.yaml")) for case in read(path)]


def _case(tree: YamlFile, index: int, value: Any) -> Case:
    if not isinstance(value, dict):
        raise tree.error((index,), "必须是一个案例，以“案例: 名称”开头")
    for key in value:
        if key not in _CASE_KEYS:
            raise tree.error((index, str(key)), f"没有“{key}”这一项（有：{'、'.join(_CASE_KEYS)}）")
    name, proves, jurisdiction = value.get("案例"), value.get("证明"), value.get("辖区", "yazhou")
    if not isinstance(name, str) or not name:
        raise tree.error((index, "案例"), "请写明案例名称")
    if not isinstance(proves, list) or not proves or not all(isinstance(one, str) for one in proves):
        raise tree.error((index, "证明"), f"案例“{name}”请写明它证明的规则，例如 [YZ-17]")
    if elsewhere := value.get("在别处证明"):
        if set(value) & {"已知", "经过", "结果"}:
            raise tree.error((index, "在别处证明"), "在别处证明的案例不再写已知、经过、结果")
        return Case(tree.path, name, tuple(proves), jurisdiction, str(value.get("说明", "")), elsewhere=str(elsewhere))
    given = value.get("已知") or {}
    if not isinstance(given, dict):
        raise tree.error((index, "已知"), "已知必须写成“名称: 内容”")
    outcome = value.get("结果") or {}
    if not isinstance(outcome, dict):
        raise tree.error((index, "结果"), "结果必须写成“名称: 内容”")
    raw = value.get("经过") or []
    if not isinstance(raw, list):
        raise tree.error((index, "经过"), "经过必须是一列步骤，每步以“- ”开头")
    steps = tuple(_step(tree, (index, "经过", number), number + 1, one) for number, one in enumerate(raw))
    if not outcome and not any(step.check or step.refused for step in steps):
        raise tree.error((index,), f"案例“{name}”什么也没有检查：请写结果、查或应拒绝")
    at = given.get("时间")
    if steps and at is None:
        raise tree.error((index, "已知"), f"案例“{name}”请写明开始的时间，例如 2026-02-13 16:00")
    return Case(
        tree.path,
        name,
        tuple(proves),
        jurisdiction,
        str(value.get("说明", "")),
        {key: content for key, content in given.items() if key != "时间"},
        None if at is None else _time(tree, (index, "已知", "时间"), at),
        steps,
        outcome,
    )


def _step(tree: YamlFile, key: tuple[str | int, ...], number: int, value: Any) -> Step:
    if not isinstance(value, dict):
        raise tree.error(key, "每一步写成 {时间: ..., 谁: ..., 做: ..., ...}，或者 {查: {...}}")
    rest = dict(value)
    when = _moment(tree, (*key, "时间"), rest.pop("时间", None))
    who, act = rest.pop("谁", ""), rest.pop("做", "")
    check = rest.pop("查", None) or {}
    refused = rest.pop("应拒绝", None)
    if not act and (rest or refused or who or not check):
        raise tree.error(key, "这一步没有写做什么（做: ...），也不是检查（查: {...}）")
    if not isinstance(check, dict):
        raise tree.error((*key, "查"), "要检查的写成“名称: 内容”")
    if isinstance(refused, str):
        refused = {"依据": refused}
    if refused is not None and (
        not isinstance(refused, dict) or not refused or set(refused) - {"代码", "依据", "字段"}
    ):
        raise tree.error((*key, "应拒绝"), "写规则编号，或者 {代码: ..., 依据: ..., 字段: ...}")
    return Step(number, when, str(who), str(act), rest, refused, check)


def _moment(tree: YamlFile, key: tuple[str | int, ...], value: Any) -> Moment:
    if value is None:
        return Moment()
    if isinstance(value, str) and (found := _LATER.match(value)):
        return Moment(later=int(found[1]) * _LATER_BY[found[2]])
    return Moment(at=_time(tree, key, value))


def _time(tree: YamlFile, key: tuple[str | int, ...], value: Any) -> datetime:
    try:
        return local_time(value)
    except ValueError:
        raise tree.error(key, f"“{value}”不是时间；写成 2026-02-13 16:00，或者 +30分钟、+2小时、+3天") from None


def local_time(value: Any) -> datetime:
    """A time as cases write it, without its timezone. Raises ValueError for anything else."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, datetime.min.time())
    if isinstance(value, str):
        read_as = datetime.fromisoformat(value)
        if read_as.tzinfo is None:
            return read_as
    raise ValueError(value)


def amount(value: str) -> Amount:
    """A length of time as cases write it: 48小时, 5个工作日. Raises ValueError for anything else."""
    found = _AMOUNT.match(value)
    if not found:
        raise ValueError(value)
    return Amount(value=int(found[1]), unit=_UNITS[found[2]])


def rules_of(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """For every rule that a case names, the cases that prove it."""
    proven: dict[str, list[Case]] = {}
    for case in cases:
        for rule in case.proves:
            proven.setdefault(rule, []).append(case)
    return proven
