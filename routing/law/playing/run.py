"""Playing one case: what is given is set up, the steps are done one after the other, and what must be so is looked at.

Everything goes through the services that the hotline itself uses; only the time is the case's.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from routing.jurisdiction import Jurisdiction, load
from routing.law.calendar import BeyondCalendar, Calendar, calendar_of
from routing.law.cases import Case, CaseError, Step
from routing.law.playing import (
    deciding,
    dispatching,
    figuring,
    guarding,
    handling,
    knowing,
    looking,
    naming,
    taking_in,
    watching,
)
from routing.law.playing.stage import ACTS, CHECKS, Given, Play, actor_of, words_of
from routing.life.states import STATE_NAMES
from routing.secrecy.opening import open_database
from routing.storage import Database
from routing.tickets import TicketError

VERBS = (taking_in, deciding, dispatching, handling, watching, figuring, guarding, knowing, naming, looking)
"""The modules whose verbs and checks cases may use; they register themselves when they are imported."""


REFUSALS = (TicketError, BeyondCalendar)
"""How services say no."""


class CaseFailed(AssertionError):
    """What a case says must be so is not so; the message says where, what was expected and what there is."""


async def play(case: Case, config: Path, db: Database, folder: Path) -> list[str]:
    """Play `case` with the configuration in `config` on the empty, migrated `db`; `folder` is for files.

    Gives the story, line by line. Raises CaseFailed; CaseError for a case that cannot be played as it is written.
    """
    jurisdiction, calendar = _law(config, case.jurisdiction)
    at = case.at.replace(tzinfo=jurisdiction.zone) if case.at else datetime.now(jurisdiction.zone)
    stage = Play(case, db, jurisdiction, calendar, config, folder, at.astimezone(UTC))
    story = [f"案例：{case.name}（{jurisdiction.name}；证明 {'、'.join(case.proves)}）"]
    try:
        given = Given(case.given, jurisdiction)
        await taking_in.set_up(stage, given)
        given.nothing_left("已知")
    except CaseError as problem:
        raise case.error(f"已知：{problem}") from problem
    except REFUSALS as problem:
        raise case.error(f"已知：工单走不到那里，被拒绝：{_refusal(problem)}") from problem
    for step in case.steps:
        story.append("  " + await _step(stage, step))
    for name, expected in case.outcome.items():
        story.append("  结果  " + await _look(stage, name, expected, None))
    return story


@lru_cache(maxsize=16)
def _law(config: Path, name: str) -> tuple[Jurisdiction, Calendar]:
    """Read once for all cases: checking a jurisdiction's file takes longer than playing a case."""
    jurisdiction = load(config / "jurisdictions" / f"{name}.yaml")
    return jurisdiction, calendar_of(config / "calendars", jurisdiction)


async def _step(stage: Play, step: Step) -> str:
    case = stage.case
    stage.at = step.when.after(stage.at.astimezone(stage.jurisdiction.zone), stage.jurisdiction.zone).astimezone(UTC)
    told = [stage.local(stage.at)]
    if step.act:
        try:
            told.append(await _act(stage, step))
        except CaseError as problem:
            raise case.error(str(problem), step) from problem
    for name, expected in step.check.items():
        told.append(await _look(stage, name, expected, step))
    return "  ".join(told)


async def _act(stage: Play, step: Step) -> str:
    if step.act not in ACTS:
        raise CaseError(f"不会“{step.act}”（会：{'、'.join(ACTS)}）")
    given = Given(step.given, stage.jurisdiction)
    actor = actor_of(stage.jurisdiction, step.who, given.text("姓名"))
    if given.has("工单"):
        stage.named(given.text("工单"))
    what = f"{step.who or '系统'} {step.act} {_shown(step.given)}".strip()
    stage.verb = step.act
    try:
        await ACTS[step.act](stage, actor, given)
    except CaseError:
        raise
    except REFUSALS as refusal:
        if step.refused is None:
            raise CaseFailed(str(stage.case.error(f"“{step.act}”被拒绝：{_refusal(refusal)}", step))) from refusal
        given.nothing_left(step.act)
        said = dict(words_of(refusal))
        if {name: said[name] for name, word in step.refused.items() if said[name] != word}:
            expected = "，".join(f"{name}={word}" for name, word in step.refused.items())
            raise CaseFailed(
                str(stage.case.error(f"“{step.act}”应拒绝（{expected}），但拒绝的是：{_refusal(refusal)}", step))
            ) from refusal
        return f"{what} → 拒绝：{_refusal(refusal)}"
    given.nothing_left(step.act)
    if step.refused is not None:
        raise CaseFailed(str(stage.case.error(f"“{step.act}”应被拒绝，但做成了", step)))
    state = STATE_NAMES.get((await stage.ticket()).state, "") if stage.current else ""
    return f"{what} → {state}" if state else what


def _refusal(refusal: Exception) -> str:
    said = dict(words_of(refusal))
    return f"{refusal}（{said['代码']}，{said['依据']}{'，' + said['字段'] if said['字段'] else ''}）"


async def _look(stage: Play, name: str, expected: Any, step: Step | None) -> str:
    if name not in CHECKS:
        raise stage.case.error(f"不会查“{name}”（会：{'、'.join(CHECKS)}）", step)
    try:
        found = await CHECKS[name](stage, expected)
    except CaseError as problem:
        raise stage.case.error(f"查“{name}”：{problem}", step) from problem
    if found != expected:
        raise CaseFailed(str(stage.case.error(f"“{name}”应为 {_plain(expected)}，实际 {_plain(found)}", step)))
    return f"{name}：{_plain(found)}"


def _shown(given: Mapping[str, Any]) -> str:
    return "，".join(f"{name} {_plain(word)}" for name, word in given.items())


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + "，".join(f"{key}：{_plain(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + "、".join(_plain(one) for one in value) + "]"
    return (
        {True: "是", False: "否", None: "没有"}.get(value, str(value)) if isinstance(value, bool | None) else str(value)
    )


async def copy_of(migrated: Path, folder: Path) -> Database:
    """A copy in `folder` of a migrated SQLite file, with keys of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(migrated, folder / "case.db")
    return await open_database(f"sqlite+aiosqlite:///{folder / 'case.db'}", folder / "keys.json")
