"""`server.py keys`, `secrecy`, `knowledge` and `units` on a real database, as an operator and a clerk use them."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import server
from ivr.events import now
from routing.secrecy.keys import key_file
from routing.secrecy.opening import open_database
from routing.storage import Ticket, migrate
from settings import ROOT

OFFICE = ["--as", "周主任", "--role", "center_office"]
MANAGER = ["--as", "陈班长", "--role", "shift_manager"]
CLERK = ["--as", "符采编", "--role", "unit_clerk", "--unit", "yz.zhujian"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def data() -> Iterator[Path]:
    # Sockets lie in a data folder, whose path must be short.
    folder = Path(tempfile.mkdtemp(prefix="h-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; exit code, stdout, stderr."""

    def command(*words: str) -> tuple[int, str, str]:
        code = server.main(["--config", str(ROOT / "config"), "--data", str(data), *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


async def _open_ticket(data: Path) -> str:
    url = f"sqlite+aiosqlite:///{data / 'hotline.db'}"
    await migrate(url)
    database = await open_database(url, key_file(data))
    async with database.begin() as session:
        ticket = Ticket(
            serial="YZ1", jurisdiction="yazhou", created_at=now(), updated_at=now(), caller_number="13800000001"
        )
        session.add(ticket)
    await database.close()
    return ticket.id


def test_keys_are_shown_rotated_and_dropped(run: Run, data: Path) -> None:
    asyncio.run(_open_ticket(data))
    code, shown, _ = run("keys", "show")
    assert code == 0 and shown.startswith("k1  ") and shown.strip().endswith("3 texts  seals now")
    code, said, _ = run("keys", "rotate")
    assert code == 0 and "tickets: 1 rows" in said and said.strip().endswith("1 rows are sealed anew with k2")
    code, _, refused = run("keys", "drop", "k1")
    assert code == 1 and "wait until every server has noticed" in refused
    code, _, refused = run("keys", "use", "k7")
    assert code == 1 and "there is no key 'k7' (there are: k1, k2)" in refused
    code, shown, _ = run("keys", "use", "k1")
    assert code == 0 and "k1" in shown and run("keys", "reseal")[1].strip().endswith("sealed anew with k1")
    key_file(data).unlink()
    code, _, refused = run("keys", "show")
    assert code == 1 and "this file is missing, and the database is sealed with caller, k1, k2" in refused


def test_marks_readings_and_releases(run: Run, data: Path) -> None:
    ticket_id = asyncio.run(_open_ticket(data))
    assert run("secrecy", "mark", "YZ1", "--identity", *MANAGER)[1] == "YZ1: identity True, content False\n"
    code, _, refused = run("secrecy", "mark", ticket_id, *MANAGER)
    assert code == 1 and refused.startswith("error: missing: 降低保密等级要写明理由") and "（YZ-26，why）" in refused
    code, _, refused = run("secrecy", "reveal", "YZ1", "caller_number", "--why", "看看", *CLERK)
    assert code == 1 and "no_such_ticket" in refused
    assert run("secrecy", "reveal", "YZ1", "caller_number", "--why", "回访", *OFFICE)[1] == "13800000001\n"
    (reading,) = json.loads(run("secrecy", "readings", "--ticket", "YZ1", "--json")[1])
    assert (reading["actor"], reading["reason"], reading["outcome"]) == ("周主任", "回访", "shown")
    asked = run("secrecy", "ask-release", "statistics", "--scope", "2026-10", "--purpose", "报区政府", *MANAGER)[1]
    code, _, refused = run("secrecy", "decide-release", asked.strip(), "--approve", *MANAGER)
    assert code == 1 and "not_allowed" in refused
    assert run("secrecy", "decide-release", asked.strip(), "--approve", *OFFICE)[1].startswith("1: approved until ")
    assert json.loads(run("secrecy", "releases", "--json")[1])[0]["decided_by"] == "周主任"


def test_knowledge_from_a_file_to_an_answer(run: Run, tmp_path: Path) -> None:
    review_by = (now() + timedelta(days=300)).date()
    file = tmp_path / "items.yaml"
    file.write_text(
        f"- {{title: 路灯不亮找谁修, body: 由住建部门维护。, keywords: 路灯 照明, review_by: {review_by}}}\n"
    )
    assert run("knowledge", "import", str(file), *CLERK)[1] == "1 items were submitted for review: 1 to 1\n"
    assert run("knowledge", "search", "路灯")[1] == ""
    assert run("knowledge", "publish", "1", *OFFICE)[1] == "1: 已发布\n"
    (found,) = json.loads(run("knowledge", "search", "我家门口路灯坏了", "--json")[1])
    assert (found["title"], found["stale"]) == ("路灯不亮找谁修", False)
    assert "第1版" in run("knowledge", "list", "--unit", "yz.zhujian")[1]
    assert len(json.loads(run("knowledge", "show", "1")[1])["versions"]) == 1
    assert run("knowledge", "stale")[1] == ""
    assert run("knowledge", "withdraw", "1", "--why", "过时", *CLERK)[1] == "1: 已撤下\n"
    file.write_text("- {title: x}\n- {title: 7, body: x}\n- {title: x, body: x, review_by: soon}\n- x\n")
    code, _, refused = run("knowledge", "import", str(file), *CLERK)
    assert code == 1
    assert [line.partition("items.yaml:")[2] for line in refused.strip().split("\n")] == [
        "1: 'body' is missing",
        "2: title: '7' is not a text",
        "3: review_by: 'soon' is not a date such as 2026-11-23",
        "4: must be an entry with title, body, keywords, matter, source, valid_from, valid_until, review_by",
    ]


def test_people_and_the_roster_from_files(run: Run, tmp_path: Path) -> None:
    today = now().date() + timedelta(days=1)
    people = tmp_path / "people.csv"
    people.write_text(f"unit,position,name,telephone,since\n区住建局,一把手,王局长,,{now().date()}\n")
    assert run("units", "import-people", str(people), *CLERK)[1].startswith("1 people were read, 1 are new")
    assert "yz.zhujian,head,王局长" in run("units", "people", "yz.zhujian")[1]
    changes = run("units", "changes")[1]
    assert "无 → 王局长" in changes and "yz.zhujian  分管领导缺 1 名；信息采编员缺 1 名" in changes
    assert run("units", "report", "1", *CLERK)[1] == "1: 已报备\n"
    roster = tmp_path / "roster.csv"
    roster.write_text(f"day,unit,chief,title,telephone\n{today},yz.zhujian,王局长,局长,1\n")
    code, _, refused = run("units", "import-roster", str(roster), *CLERK)
    assert code == 1 and "not_allowed" in refused
    assert run("units", "import-roster", str(roster), *OFFICE)[1].startswith("1 duties are planned")
    assert "王局长（局长）" in run("units", "publish-roster", str(today), str(today), *OFFICE)[1]
    assert f"{today},yz.zhujian,王局长" in run("units", "roster", "--last", str(today))[1]
    code, _, refused = run("units", "import-people", str(tmp_path / "nothing.csv"), *CLERK)
    assert code == 1 and "cannot be read" in refused
