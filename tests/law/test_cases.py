"""Every law case, played with the real services on SQLite; one case of every file on PostgreSQL as well."""

from __future__ import annotations

import ast
import itertools
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from routing.law.cases import Case, CaseError, read, read_all
from routing.law.playing.run import CaseFailed, copy_of, play
from routing.secrecy.opening import open_database
from routing.storage import Database, migrate
from settings import ROOT
from tests.services import PostgresServer

HERE = Path(__file__).parent
CONFIG = ROOT / "config"
CASES = read_all(HERE)
PLAYED = [case for case in CASES if not case.elsewhere]
ELSEWHERE = [case for case in CASES if case.elsewhere]
_numbers = itertools.count(1)


def named(case: Case) -> str:
    """pytest shows Chinese as escapes: a number is easier to find; the failure itself names the case."""
    return f"{case.file.stem}-{[one.name for one in CASES if one.file == case.file].index(case.name) + 1}"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the migrated SQLite file lies from which each test's is copied."""
    return tmp_path_factory.mktemp("law") / "empty.db"


@pytest.fixture
async def sqlite(migrated: Path, tmp_path: Path) -> AsyncIterator[Database]:
    if not migrated.exists():
        await migrate(f"sqlite+aiosqlite:///{migrated}")
    db = await copy_of(migrated, tmp_path)
    yield db
    await db.close()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    # Not in pytest's folder: when root runs the tests, the user postgres could not reach it.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = PostgresServer(Path(folder))
        server.create()
        server.start()
        yield server
        server.close()


@pytest.fixture
async def postgresql(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Database]:
    name = f"case_{next(_numbers)}"
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    await migrate(postgres.url(name))
    db = await open_database(postgres.url(name), tmp_path / "keys.json")
    yield db
    await db.close()


@pytest.mark.parametrize("case", PLAYED, ids=named)
async def test_case(case: Case, sqlite: Database, tmp_path: Path) -> None:
    await play(case, CONFIG, sqlite, tmp_path)


_ONE_OF_EACH_FILE = {case.file: case for case in reversed(PLAYED)}.values()


@pytest.mark.parametrize("case", _ONE_OF_EACH_FILE, ids=named)
async def test_case_on_postgresql(case: Case, postgresql: Database, tmp_path: Path) -> None:
    await play(case, CONFIG, postgresql, tmp_path)


@pytest.mark.parametrize("case", ELSEWHERE, ids=named)
def test_what_is_proven_elsewhere_is_there(case: Case) -> None:
    path, _, name = case.elsewhere.partition("::")
    file = ROOT / path
    assert path.startswith("tests/") and file.is_file(), f"{case.file.name}: there is no file {path}"
    tests = [one for one in ast.parse(file.read_text("utf-8")).body if getattr(one, "name", "") == name]
    assert len(tests) == 1 and name.startswith("test_"), f"{case.file.name}: {path} has no test {name}"
    marks = [ast.unparse(mark) for one in tests for mark in getattr(one, "decorator_list", ())]
    assert not [mark for mark in marks if "skip" in mark or "xfail" in mark], f"{case.file.name}: {name} does not run"


# ------------------------------------------------------------------ a case that does not hold is found out

TICKET = "工单: {诉求: 投诉, 办理类别: 非城区管理类, 受理范围: YZ-11-3}"
BEGIN = f"已知: {{时间: 2026-03-02 09:00, {TICKET}}}"


def written(folder: Path, text: str) -> Path:
    file = folder / "cases.yaml"
    file.write_text(text, "utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"- {{案例: 甲, 证明: [YZ-18], {BEGIN}, 结果: {{状态: 已派单}}}}", "“状态”应为 已派单，实际 已受理"),
        (
            f"- {{案例: 甲, 证明: [YZ-18], {BEGIN}, 经过: [{{谁: 坐席, 做: 派单, 主办: 区住建局, 应拒绝: YZ-18}}]}}",
            "应被拒绝，但做成了",
        ),
        (
            f"- {{案例: 甲, 证明: [YZ-18], {BEGIN}, 经过: [{{谁: 坐席, 做: 派单, 主办: ''}}], 结果: {{状态: 已派单}}}}",
            "“派单”被拒绝",
        ),
        (
            f"- {{案例: 甲, 证明: [YZ-18], {BEGIN}, 经过: [{{谁: 坐席, 做: 派单, 主办: '', 应拒绝: YZ-17}}]}}",
            "应拒绝（依据=YZ-17）",
        ),
        (
            f"- {{案例: 甲, 证明: [YZ-18], {BEGIN}, 经过: [{{谁: 坐席, 做: 派单, 主办: 区住建局}}], "
            "结果: {时限: {办结: 2026-03-09 23:00}}}",
            "实际 {办结：2026-03-10 00:00}",
        ),
    ],
    ids=["state", "not refused", "refused", "refused otherwise", "limit"],
)
async def test_what_is_not_so_fails(sqlite: Database, tmp_path: Path, text: str, message: str) -> None:
    [case] = read(written(tmp_path, text))
    with pytest.raises(CaseFailed) as failed:
        await play(case, CONFIG, sqlite, tmp_path)
    assert message in str(failed.value)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("{谁: 坐席, 做: 飞}", "第 1 步：不会“飞”"),
        ("{谁: 皇帝, 做: 派单}", "没有“皇帝”这个身份"),
        ("{谁: 采编员, 做: 派单}", "前面请写明单位"),
        ("{谁: 区月亮局 采编员, 做: 派单}", "没有叫“区月亮局”的单位"),
        ("{谁: 坐席, 做: 派单, 主办: 区住建局, 帮办: 某人}", "“派单”不认识“帮办”"),
        ("{谁: 坐席, 做: 派单, 工单: 乙, 主办: 区住建局}", "没有叫“乙”的工单"),
        ("{查: {天气: 晴}}", "不会查“天气”"),
        ("{查: {时限: {吃饭: 2026-03-02 12:00}}}", "没有“吃饭”这种时限"),
        ("{谁: 坐席, 做: 适用其他法律的期限, 期限: 很久, 依据: 某法}", "不是时长"),
    ],
    ids=range(9),
)
async def test_what_cannot_be_played_says_why(sqlite: Database, tmp_path: Path, steps: str, message: str) -> None:
    [case] = read(written(tmp_path, f"- {{案例: 甲, 证明: [YZ-18], {BEGIN}, 经过: [{steps}], 结果: {{状态: 已受理}}}}"))
    with pytest.raises(CaseError) as refused:
        await play(case, CONFIG, sqlite, tmp_path)
    assert message in str(refused.value) and "cases.yaml" in str(refused.value)


async def test_a_beginning_that_the_law_does_not_allow_says_why(sqlite: Database, tmp_path: Path) -> None:
    given = "{时间: 2026-03-02 09:00, 工单: {诉求: 投诉, 受理范围: YZ-11-3, 已经: 已派单, 主办: 区住建局}}"
    [case] = read(written(tmp_path, f"- {{案例: 甲, 证明: [YZ-18], 已知: {given}, 结果: {{状态: 已派单}}}}"))
    with pytest.raises(CaseError, match=r"走不到那里.*办理类别"):
        await play(case, CONFIG, sqlite, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("案例: 甲", "必须是一列案例"),
        ("- 甲", "必须是一个案例"),
        ("- {证明: [YZ-18]}", "请写明案例名称"),
        ("- {案例: 甲}", "请写明它证明的规则"),
        ("- {案例: 甲, 证明: [YZ-18]}", "什么也没有检查"),
        ("- {案例: 甲, 证明: [YZ-18], 结果: {状态: x}, 如果: 是}", "没有“如果”这一项"),
        ("- {案例: 甲, 证明: [YZ-18], 经过: [{做: 派单}], 结果: {状态: x}}", "请写明开始的时间"),
        ("- {案例: 甲, 证明: [YZ-18], 已知: {时间: 昨天}, 经过: [{做: 派单}], 结果: {状态: x}}", "“昨天”不是时间"),
        ("- {案例: 甲, 证明: [YZ-18], 已知: {时间: 2026-03-02}, 经过: [{谁: 坐席}], 结果: {状态: x}}", "没有写做什么"),
        ("- {案例: 甲, 证明: [YZ-18], 已知: {时间: 2026-03-02 09:00}, 经过: [{做: 派单, 应拒绝: {}}]}", "写规则编号"),
        ("- {案例: 甲, 证明: [YZ-18], 结果: {状态: x}}\n- {案例: 甲, 证明: [YZ-18], 结果: {状态: x}}", "写了两次"),
        ("- {案例: 甲, 证明: [YZ-18], 在别处证明: tests/x.py, 结果: {状态: x}}", "不再写已知、经过、结果"),
    ],
    ids=range(12),
)
def test_what_is_no_case_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(Exception, match=message) as refused:
        read(written(tmp_path, text))
    assert type(refused.value).__name__ in ("ConfigurationError", "CaseError")
