"""Contacts and rosters from files: what spreadsheets write is read, every mistake is named with its line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction
from routing.people import contacts, files, roster
from routing.people.contacts import Appointment
from settings import ConfigurationError
from tests.routing.people.conftest import OFFICE

HEAD = "unit,position,name,telephone,since\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_spreadsheets_file_is_read_whatever_its_encoding(tmp_path: Path, yazhou: Jurisdiction, encoding: str) -> None:
    file = tmp_path / "contacts.csv"
    text = HEAD + "区住建局,一把手,王局长,0898-1,2026/11/20\r\n\r\nyz.renshe,clerk,黎采编,,2026-11-20\r\n"
    file.write_bytes(text.encode(encoding))
    assert files.read_contacts(file, yazhou) == [
        Appointment("yz.zhujian", "head", "王局长", date(2026, 11, 20), "0898-1"),
        Appointment("yz.renshe", "clerk", "黎采编", date(2026, 11, 20), ""),
    ]


MISTAKES = [
    ("unit,name\n", "contacts.csv:1: 'position' is missing"),
    ("unit,position,name,telephone,since,salary\n", "contacts.csv:1: 'salary' is not known"),
    ("unit,unit,position,name,telephone,since\n", "contacts.csv:1: 'unit' is there twice"),
    (HEAD, "holds no rows"),
    ("", "'unit' is missing"),
    (HEAD + "yz.nobody,head,x,,2026-11-20\n", "contacts.csv:2: unit: there is no unit 'yz.nobody' in yazhou"),
    (HEAD + "yz.renshe,boss,x,,2026-11-20\n", "contacts.csv:2: position: 'boss' is none; there are: head (一把手)"),
    (HEAD + "yz.renshe,head,x,,20th\n", "contacts.csv:2: since: '20th' is not a date such as 2026-11-23"),
    (HEAD + "yz.renshe,head,,,2026-11-20\n", "contacts.csv:2: name: is empty"),
    (HEAD + "yz.renshe,head,x,,2026-11-20,more\n", "contacts.csv:2: has 6 cells, and there are 5 columns"),
    (HEAD + '"yz.renshe,head\n', "not valid CSV"),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_are_named_with_their_line(tmp_path: Path, yazhou: Jurisdiction, text: str, said: str) -> None:
    file = tmp_path / "contacts.csv"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        files.read_contacts(file, yazhou)
    assert said in str(refused.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path, yazhou: Jurisdiction) -> None:
    file = tmp_path / "roster.yaml"
    file.write_text(
        "- {day: 2026-11-23, unit: yz.renshe, chief: 黎局长}\n- {day: monday, unit: yz.renshe, chief: x}\n"
        "- {day: 2026-11-24, unit: nobody, chief: x}\n"
    )
    with pytest.raises(ConfigurationError) as refused:
        files.read_roster(file, yazhou)
    assert [line.split(":")[1] for line in str(refused.value).split("\n")] == ["2", "3"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("roster.yaml", b"day: x", "must be a list"),
        ("roster.yaml", b"- 7", "must be an entry"),
        ("roster.yaml", b"- {day: [", "not valid YAML"),
        ("roster.xlsx", b"PK", "must be a .csv or a .yaml file"),
        ("roster.csv", b"\xff\xff\xff", "neither UTF-8 nor GB 18030"),
        ("roster.csv", b"x" * 5_000_001, "at most 5000000 are read"),
    ],
    ids=range(6),
)
def test_what_is_no_such_file_is_refused(
    tmp_path: Path, yazhou: Jurisdiction, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        files.read_roster(tmp_path / name, yazhou)
    with pytest.raises(ConfigurationError, match=r"cannot be read|is missing|must be a"):
        files.read_roster(tmp_path / f"other-{name}", yazhou)


@pytest.mark.parametrize("form", ["csv", "yaml"])
async def test_what_was_written_is_read_again(centre: Centre, tmp_path: Path, form: str) -> None:
    named = [
        Appointment("yz.zhujian", "head", "=HYPERLINK(1)", date(2026, 11, 20), "+86-898"),
        Appointment("yz.zhujian", "clerk", '符,采"编', date(2026, 11, 20), "'x"),
    ]
    await contacts.appoint(centre, OFFICE, named)
    file = tmp_path / f"contacts.{form}"
    file.write_text(files.contacts_text(await contacts.everybody(centre), form))
    assert files.read_contacts(file, centre.jurisdiction) == named
    if form == "csv":
        assert "\nyz.zhujian,head,'=HYPERLINK(1),'+86-898" in file.read_text()
    duty = roster.Duty(date(2026, 11, 23), "yz.zhujian", "王局长", "局长", "1")
    await roster.plan(centre, OFFICE, [duty])
    file = tmp_path / f"roster.{form}"
    file.write_text(files.roster_text(await roster.roster(centre, duty.day, duty.day), form))
    assert files.read_roster(file, centre.jurisdiction) == [duty]
