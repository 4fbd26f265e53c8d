"""`server.py watch` and `server.py statistics` on a real database, as an operator types them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import server
from ivr.events import now
from routing.secrecy.keys import key_file
from routing.secrecy.opening import open_database
from routing.storage import migrate
from tests.routing.watch.lives import DAY, Life, write

UNIT = "yz.zhifa"


@pytest.fixture
def mask() -> Iterator[None]:
    """The command line sets the process's umask; the tests after it want their own."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def data(tmp_path: Path, mask: None) -> Path:
    """A data folder whose database has one ticket that was due yesterday."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'hotline.db'}"

    async def fill() -> None:
        await migrate(url)
        database = await open_database(url, key_file(tmp_path))
        begin = now() - 3 * DAY
        await write(
            database, Life(begin, UNIT, clocks={"complete": (begin, 2 * DAY)}, columns={"due_at": begin + 2 * DAY})
        )
        await database.close()

    asyncio.run(fill())
    return tmp_path


def _run(capsys: pytest.CaptureFixture[str], data: Path, *arguments: str) -> tuple[int, Any]:
    code = server.main(["--data", str(data), *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


OFFICE = ("--as", "主任", "--role", "center_office")


def test_from_the_breach_to_the_decision(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, seen = _run(capsys, data, "watch", "round")
    assert (code, seen["looked"], seen["overdue"], seen["proposed"]) == (0, 1, 1, 0)
    _, notices = _run(capsys, data, "watch", "inbox", "--unit", UNIT)
    assert [one["kind"] for one in notices] == ["overdue"]
    code, _ = _run(
        capsys, data, "watch", "acknowledge", str(notices[0]["number"]), "--as", "采编员", "--role", "unit_clerk",
        "--unit", UNIT,
    )  # fmt: skip
    assert code == 0
    assert _run(capsys, data, "watch", "inbox", "--unit", UNIT) == (0, [])
    _, [proposal] = _run(capsys, data, "watch", "proposals")
    number = str(proposal["number"])
    code, refused = _run(capsys, data, "watch", "confirm", number, "--as", "坐席", "--role", "agent")
    assert (code, refused["error"]["code"]) == (1, "not_allowed")
    code, [done] = _run(capsys, data, "watch", "confirm", number, *OFFICE)
    assert (code, done["supervised"]) == (0, True)
    code, refused = _run(capsys, data, "watch", "dismiss", number, "--why", "误报", *OFFICE)
    assert (code, refused["error"]["code"]) == (1, "already_decided")


def test_a_violation_that_people_saw(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, [made] = _run(capsys, data, "watch", "record", "V3", "--against", UNIT, "--facts", "谎报", *OFFICE)
    assert (code, made["state"]) == (0, "confirmed")
    code, [criticised] = _run(capsys, data, "watch", "violation", str(made["number"]), "criticised", *OFFICE)
    assert code == 0
    assert criticised["criticised_at"]
    assert _run(capsys, data, "watch", "violations") == (0, [])
    assert len(_run(capsys, data, "watch", "violations", "--all")[1]) == 1


def test_figures_of_the_year_and_the_file(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    year = str((now() - DAY).astimezone(ZoneInfo("Asia/Shanghai")).year)
    code, shown = _run(capsys, data, "statistics", "figures", "--period", year, "--by", "unit")
    assert code == 0
    assert shown["rows"][0]["逾期未办结量"] == 1
    code, shown = _run(capsys, data, "statistics", "ranking", "--period", year)
    assert (code, shown["rows"][0]["按时办结率"]) == (0, 0)
    for name in ("report.xlsx", "report.csv"):
        file = data / name
        code, told = _run(capsys, data, "statistics", "export", str(file), "--period", year, *OFFICE)
        assert (code, told["bytes"]) == (0, file.stat().st_size)
        assert file.stat().st_mode & 0o077 == 0  # for nobody else


@pytest.mark.parametrize("arguments", [["figures", "--period", "2026-13"], ["export", "report.pdf", *OFFICE]])
def test_what_is_asked_for_wrongly(data: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as asked:
        server.main(["--data", str(data), "statistics", *arguments])
    assert asked.value.code == 2
    assert "is no period" in (said := capsys.readouterr().err) or "must end in .xlsx or .csv" in said
