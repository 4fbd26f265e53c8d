"""Exports: readable by a spreadsheet, no personal data, no formulas, and an approval where the law wants one."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime
from typing import Any

import openpyxl
import pytest

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction, load
from routing.secrecy import releases
from routing.secrecy.errors import NotApproved
from routing.statistics.export import KIND, as_csv, as_xlsx, export
from routing.statistics.figures import figures
from routing.statistics.periods import parsed
from routing.statistics.report import Column, Report, Table, report
from routing.storage import Database, blank_fields
from routing.tickets import Actor
from settings import ROOT
from tests.routing.watch.lives import DAY, Life, Time, centre_of, write

OCTOBER = parsed("2026-10")
AT = datetime(2026, 10, 10, 2, 0, tzinfo=UTC)
OFFICE, AUDITOR = Actor("主任", "center_office"), Actor("值班长", "shift_manager")
SECRETS = ("13876543210", "符小明", "保港村三巷七号", "隔壁半夜装修", "上月投诉过没人管")


@pytest.fixture
def centre(database: Database, yazhou: Jurisdiction) -> Centre:
    return centre_of(database, yazhou, Time(datetime(2026, 11, 5, tzinfo=UTC)))


async def _ticket(centre: Centre, **columns: Any) -> None:
    fields = blank_fields()
    for name, value in zip(("callback_number", "person", "place", "event", "demand"), SECRETS, strict=True):
        fields[name]["value"] = value
    done = {"completed_at": AT + DAY, "due_at": AT + 2 * DAY, "late": False, "caller_number": SECRETS[0]}
    known = {"fields": fields, "place": SECRETS[2], "identity_secret": True, "content_secret": True}
    await write(centre.db, Life(AT, "yz.zhifa", columns=done | known | columns))


async def test_the_workbook_opens_and_says_what_the_figures_say(centre: Centre) -> None:
    await _ticket(centre)
    book = openpyxl.load_workbook(io.BytesIO(await export(centre, OCTOBER, OFFICE, file_format="xlsx")))
    assert book.sheetnames == ["总体", "按单位", "按属地", "按事项", "考评排名"]
    sheet = book["按单位"]
    heading = [cell.value for cell in sheet[1]]
    row = dict(zip(heading, [cell.value for cell in sheet[2]], strict=True))
    of_unit = (await figures(centre, OCTOBER, by="unit"))["yz.zhifa"]
    assert row["单位"] == centre.jurisdiction.units["yz.zhifa"].name
    assert (row["办结量"], row["按时办结率"]) == (of_unit.completed, 1)
    assert sheet.cell(2, heading.index("按时办结率") + 1).number_format == "0.00%"


async def test_the_csv_is_what_excel_takes_for_utf8(centre: Centre) -> None:
    await _ticket(centre)
    content = await export(centre, OCTOBER, OFFICE, file_format="csv")
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert ["总体"] in rows
    assert ["按时办结率", "100.00%", "—", "—"] in rows


async def test_no_personal_data_leaves_in_any_file(centre: Centre) -> None:
    """Invariant 10."""
    await _ticket(centre)
    text = (await export(centre, OCTOBER, OFFICE, file_format="csv")).decode()
    with zipfile.ZipFile(io.BytesIO(await export(centre, OCTOBER, OFFICE, file_format="xlsx"))) as parts:
        text += "".join(parts.read(name).decode() for name in parts.namelist())
    assert "按时办结率" in text
    assert [secret for secret in SECRETS if secret in text] == []


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "=cmd|' /C calc'!A0", "＝1+1"])
def test_names_are_never_formulas(name: str) -> None:
    table = Table("按单位", (Column("单位", "text"), Column("办结量", "number")), ((name, 3),))
    rows = list(csv.reader(io.StringIO(as_csv(Report("报表", (table,))).decode("utf-8-sig"))))
    assert rows[-1] == [f"'{name}", "3"]
    book = openpyxl.load_workbook(io.BytesIO(as_xlsx(Report("报表", (table,)))))
    cell = book["按单位"].cell(2, 1)
    assert (cell.value, cell.data_type) == (name, "s")


async def test_where_the_law_wants_an_approval_nothing_leaves_without_one(database: Database) -> None:
    yangling = load(ROOT / "config" / "jurisdictions" / "yangling.yaml")
    centre = centre_of(database, yangling, Time(datetime(2026, 11, 5, tzinfo=UTC)))
    with pytest.raises(NotApproved, match="第二十四条"):
        await export(centre, OCTOBER, OFFICE, file_format="xlsx")
    asked = await releases.ask(centre, OFFICE, kind=KIND, scope=OCTOBER.name, purpose="月度通报")
    with pytest.raises(NotApproved):
        await export(centre, OCTOBER, OFFICE, file_format="xlsx", release_id=asked.id)
    await releases.decide(centre, asked.id, AUDITOR, approved=True)
    with pytest.raises(NotApproved):
        await export(centre, parsed("2026-09"), OFFICE, file_format="xlsx", release_id=asked.id)
    assert await export(centre, OCTOBER, OFFICE, file_format="xlsx", release_id=asked.id)
    with pytest.raises(NotApproved):  # once
        await export(centre, OCTOBER, OFFICE, file_format="xlsx", release_id=asked.id)
    [kept] = await releases.releases(centre)
    assert (kept.used_by, len(kept.sha256)) == ("主任", 64)


async def test_linkages_with_110_are_counted_where_the_document_wants_it(database: Database) -> None:
    qionghai = load(ROOT / "config" / "jurisdictions" / "qionghai.yaml")
    centre = centre_of(database, qionghai, Time(datetime(2026, 11, 5, tzinfo=UTC)))
    whole = (await report(centre, OCTOBER)).tables[0]
    assert whole.rows[-1] == ("与110联动次数", "0", "0", "0")
