"""Reports as files: xlsx for a spreadsheet program, csv for everything else; with the approval that the law asks for.

A text that a spreadsheet would take for a formula is written as text: names come from files that people edit.
"""

from __future__ import annotations

import csv
import io
from typing import Literal

import xlsxwriter

from routing.centre import Centre
from routing.secrecy import releases
from routing.secrecy.errors import NotApproved
from routing.statistics.periods import Period
from routing.statistics.report import Cell, Column, Report, Table, report, rows_as_text
from routing.tickets import Actor

Format = Literal["xlsx", "csv"]

KIND = "statistics"
"""Of the approval (routing.secrecy.releases); its scope is the period's name."""

_BOM = "\ufeff"
"""Without it Excel takes UTF-8 for the local encoding and shows Chinese names as rubbish."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
"""What a text must not begin with in a csv: spreadsheets compute what follows."""

_LONGEST_SHEET_NAME = 31


async def export(
    centre: Centre, period: Period, actor: Actor, *, file_format: Format, release_id: int | None = None
) -> bytes:
    """The report of a period as a file.

    Where the document lets nothing out without an approval (YL-24), `release_id` is the approval that this person
    was given for this period; it is used up. Raises NotApproved, NotAllowed.
    """
    law = centre.jurisdiction.law_at(centre.now()).secrecy
    if law is not None and law.release_needs is not None and release_id is None:
        raise NotApproved(
            f"{law.article}：统计数据未经批准不得提供，请先申请导出（种类 {KIND}，范围 {period.name}）",
            rule=law.rule,
            field="release_id",
        )
    if release_id is not None:
        await releases.use(centre, release_id, actor, kind=KIND, scope=period.name)
    made = await report(centre, period)
    content = as_xlsx(made) if file_format == "xlsx" else as_csv(made)
    if release_id is not None:
        await releases.note_file(centre, release_id, content)
    return content


def as_csv(made: Report) -> bytes:
    """All tables below each other, each under its name, divided by an empty line (UTF-8 with a byte-order mark)."""
    out = io.StringIO()
    out.write(_BOM)
    write = csv.writer(out, lineterminator="\r\n")
    write.writerow([_plain(made.title)])
    for table in made.tables:
        write.writerow([])
        write.writerow([_plain(table.name)])
        write.writerow([_plain(column.name) for column in table.columns])
        for row in rows_as_text(table):
            write.writerow(
                [
                    _plain(cell) if column.kind == "text" else cell
                    for column, cell in zip(table.columns, row, strict=True)
                ]
            )
    return out.getvalue().encode()


def as_xlsx(made: Report) -> bytes:
    """A sheet for each table."""
    out = io.BytesIO()
    never = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    with xlsxwriter.Workbook(out, never) as book:
        book.set_properties({"title": made.title})
        for table in made.tables:
            _sheet(book, table)
    return out.getvalue()


def _sheet(book: xlsxwriter.Workbook, table: Table) -> None:
    sheet = book.add_worksheet(table.name[:_LONGEST_SHEET_NAME])
    bold, percent = book.add_format({"bold": True}), book.add_format({"num_format": "0.00%"})
    for at, column in enumerate(table.columns):
        sheet.write_string(0, at, column.name, bold)
        sheet.set_column(at, at, 24 if column.kind == "text" else 14)
    sheet.freeze_panes(1, 1)
    for down, row in enumerate(table.rows, start=1):
        for at, (column, cell) in enumerate(zip(table.columns, row, strict=True)):
            _cell(sheet, down, at, column, cell, percent)


def _cell(
    sheet: xlsxwriter.worksheet.Worksheet, down: int, at: int, column: Column, cell: Cell, percent: object
) -> None:
    if cell is None:
        sheet.write_string(down, at, "—")
    elif isinstance(cell, str):
        sheet.write_string(down, at, cell)
    elif column.kind in ("rate", "share"):
        sheet.write_number(down, at, cell, percent)
    else:
        sheet.write_number(down, at, cell)


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
