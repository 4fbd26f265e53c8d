"""How long a search in the knowledge base takes over 10,000 items, on SQLite and on PostgreSQL.

The items are made of the matters and units of Yazhou: the words of real questions, each in hundreds of items, which is
harder on an index than 10,000 different texts would be. The questions are what callers say, common words included.
"""

from __future__ import annotations

import itertools
import random
import statistics
import time
from datetime import date, timedelta
from pathlib import Path

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction
from routing.jurisdiction import load as load_jurisdiction
from routing.knowledge import search
from routing.knowledge.tables import KnowledgeItem, KnowledgeVersion
from routing.law.calendar import Calendar
from routing.storage import Database, migrate
from settings import ROOT
from tests.services import postgres_server

ITEMS = 10_000
_BATCH = 1000

_ASPECTS = (
    "办理条件",
    "所需材料",
    "办理流程",
    "办理时限",
    "收费标准",
    "办理地点",
    "咨询电话",
    "投诉处理",
    "常见问题",
    "最新政策",
    "补贴标准",
    "申请入口",
)
_SENTENCES = (
    "申请人应当携带本人身份证原件和复印件，到所属镇政府或者村居委会的服务窗口提交申请。",
    "符合条件的，自受理之日起五个工作日内办结；不符合条件的，书面告知理由和依据。",
    "本事项不收取任何费用，也可以在网上办理，办理进度可以随时查询。",
    "涉及多个部门的，由主办单位牵头，协办单位配合，在规定的时限内答复诉求人。",
    "如有疑问，请拨打热线咨询，工作人员会在三十分钟内与您联系。",
    "对处理结果不满意的，可以提出申诉，由指挥中心复核后再次回访。",
)
QUESTIONS = (
    "路灯坏了",
    "社保卡怎么补办",
    "公租房申请条件",
    "停水什么时候恢复",
    "噪音扰民投诉",
    "垃圾没有人清运",
    "办理营业执照需要什么材料",
    "低保申请流程",
    "学校报名时间",
    "拖欠工资怎么投诉",
    "违章建筑举报",
    "医保报销比例",
    "怎么申请补贴",
    "办理流程",
    "申请材料和办理地点咨询电话",
    "占道经营没人管",
    "井盖丢了",
    "污水直排",
    "宅基地审批",
    "申请办理投诉处理",
)


async def main(folder: Path, *, items: int = ITEMS, rounds: int = 10) -> str:
    """The whole measurement; returns its part of docs/benchmarks.md."""
    rows = []
    folder.chmod(0o755)
    with postgres_server(folder / "postgres") as postgres:
        for name, url in (("SQLite", f"sqlite+aiosqlite:///{folder / 'hotline.db'}"), ("PostgreSQL", postgres)):
            await migrate(url)
            database = Database(url)
            try:
                rows.append(await _measure(name, database, items, rounds))
            finally:
                await database.close()
    head = "| database | items | filled in | searches | p50 | p95 | longest |\n|---|---|---|---|---|---|---|\n"
    return head + "\n".join(rows)


async def _measure(name: str, database: Database, items: int, rounds: int) -> str:
    jurisdiction = load_jurisdiction(ROOT / "config" / "jurisdictions" / "yazhou.yaml")
    centre = Centre(database, jurisdiction, Calendar.load(ROOT / "config" / "calendars"))
    began = time.monotonic()
    await _fill(centre, items)
    filled = time.monotonic() - began
    await search.search(centre, QUESTIONS[0])
    times: list[float] = []
    for question in QUESTIONS * rounds:
        began = time.perf_counter()
        found = await search.search(centre, question)
        times.append((time.perf_counter() - began) * 1000)
        if not found:
            raise AssertionError(f"nothing was found for {question}")
    p95 = statistics.quantiles(times, n=20)[-1]
    return (
        f"| {name} | {items} | {filled:.0f} s | {len(times)} | {statistics.median(times):.1f} ms | {p95:.1f} ms | "
        f"{max(times):.1f} ms |"
    )


async def _fill(centre: Centre, items: int) -> None:
    drawn = random.Random(12345)
    today = centre.calendar.day_of(centre.now())
    titles = itertools.islice(_titles(centre.jurisdiction), items)
    while batch := list(itertools.islice(titles, _BATCH)):
        async with centre.db.begin() as session:
            shelf = [
                KnowledgeItem(owner_unit="", state="published", published=1, review_by=today + timedelta(days=365))
                for _ in batch
            ]
            session.add_all(shelf)
            await session.flush()
            written = [
                _version(centre, item.id, entry, "".join(drawn.sample(_SENTENCES, 4)), today)
                for item, entry in zip(shelf, batch, strict=True)
            ]
            session.add_all(written)
            await search.put(session, *written)


def _titles(jurisdiction: Jurisdiction) -> itertools.chain[tuple[str, str, str]]:
    def made(number: int) -> list[tuple[str, str, str]]:
        return [
            (f"{matter.name}{aspect}（{number}）", " ".join(matter.words[:6]), matter.id)
            for matter in jurisdiction.matters
            for aspect in _ASPECTS
        ]

    return itertools.chain.from_iterable(made(number) for number in itertools.count(1))


def _version(
    centre: Centre, item_id: int, entry: tuple[str, str, str], sentences: str, today: date
) -> KnowledgeVersion:
    title, keywords, matter = entry
    return KnowledgeVersion(
        item_id=item_id,
        number=1,
        state="published",
        title=title,
        keywords=keywords,
        body=f"{title}。{sentences}{keywords}",
        matter=matter,
        valid_from=today,
        review_by=today + timedelta(days=365),
        written_at=centre.now(),
        written_by="bench",
    )
