"""Contacts and the roster as files: CSV, as spreadsheets write it, or YAML; every mistake is named with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import yaml

from routing.jurisdiction import Jurisdiction
from routing.people.contacts import POSITIONS, Appointment
from routing.people.roster import Duty
from routing.people.tables import DutyDay, UnitContact
from settings import ConfigurationError, read_yaml

CONTACTS = ("unit", "position", "name", "telephone", "since")
ROSTER = ("day", "unit", "chief", "title", "telephone")
_MAY_BE_EMPTY = ("telephone", "title")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LARGEST = 5_000_000

MadeT = TypeVar("MadeT")


@dataclass(frozen=True)
class _Row:
    """A row of a file, and where it stands."""

    where: str
    values: Mapping[str, str]

    def date(self, name: str) -> date:
        try:
            return date.fromisoformat(self.values[name].replace("/", "-"))
        except ValueError:
            raise ConfigurationError(
                f"{self.where}: {name}: '{self.values[name]}' is not a date such as 2026-11-23"
            ) from None

    def unit(self, jurisdiction: Jurisdiction) -> str:
        given = self.values["unit"]
        found = [unit.id for unit in jurisdiction.units.values() if given in (unit.id, unit.name, unit.short)]
        if not found:
            raise ConfigurationError(
                f"{self.where}: unit: there is no unit '{given}' in {jurisdiction.id}; give its id, full or short "
                "name, as config/jurisdictions has it"
            )
        return found[0]

    def position(self) -> str:
        given = self.values["position"]
        found = next((id_ for id_, name in POSITIONS.items() if given in (id_, name)), None)
        if found is None:
            known = ", ".join(f"{id_} ({name})" for id_, name in POSITIONS.items())
            raise ConfigurationError(f"{self.where}: position: '{given}' is none; there are: {known}")
        return found


def read_contacts(path: Path, jurisdiction: Jurisdiction) -> list[Appointment]:
    """The people in a file. Raises ConfigurationError with a line for every mistake in it."""
    return _all(
        path,
        CONTACTS,
        lambda row: Appointment(
            row.unit(jurisdiction), row.position(), row.values["name"], row.date("since"), row.values["telephone"]
        ),
    )


def read_roster(path: Path, jurisdiction: Jurisdiction) -> list[Duty]:
    """The duties in a file. Raises ConfigurationError with a line for every mistake in it."""
    return _all(
        path,
        ROSTER,
        lambda row: Duty(
            row.date("day"), row.unit(jurisdiction), row.values["chief"], row.values["title"], row.values["telephone"]
        ),
    )


def contacts_text(people: Iterable[UnitContact], form: str) -> str:
    """People as a file of this form (csv or yaml), which `read_contacts` reads again."""
    return _text(CONTACTS, people, form)


def roster_text(duties: Iterable[DutyDay], form: str) -> str:
    """Duties as a file of this form (csv or yaml), which `read_roster` reads again."""
    return _text(ROSTER, duties, form)


def _all(path: Path, columns: tuple[str, ...], make: Callable[[_Row], MadeT]) -> list[MadeT]:
    made: list[MadeT] = []
    mistakes: list[str] = []
    for row in _rows(path, columns):
        missing = [name for name in columns if not row.values[name] and name not in _MAY_BE_EMPTY]
        try:
            if missing:
                raise ConfigurationError(f"{row.where}: {missing[0]}: is empty")
            made.append(make(row))
        except ConfigurationError as problem:
            mistakes.append(str(problem))
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    if not made:
        raise ConfigurationError(f"{path}: holds no rows; the columns are {', '.join(columns)}")
    return made


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[_Row]:
    if path.suffix.lower() in (".yaml", ".yml"):
        yield from _yaml_rows(path, columns)
    elif path.suffix.lower() == ".csv":
        yield from _csv_rows(path, columns)
    else:
        raise ConfigurationError(f"{path}: must be a .csv or a .yaml file")


def _csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[_Row]:
    rows = csv.reader(io.StringIO(_decoded(path)), strict=True)
    try:
        head = [name.strip() for name in next(rows, [])]
        _check_columns(f"{path}:1", head, columns)
        for row in rows:
            if any(cell.strip() for cell in row):
                where = f"{path}:{rows.line_num}"
                if len(row) > len(head):
                    raise ConfigurationError(f"{where}: has {len(row)} cells, and there are {len(head)} columns")
                yield _Row(where, _plain(dict(zip(head, row, strict=False)), columns))
    except csv.Error as problem:
        raise ConfigurationError(f"{path}:{rows.line_num}: not valid CSV: {problem}") from problem


def _decoded(path: Path) -> str:
    """The text of a file; spreadsheets in China write GB 18030 as often as UTF-8."""
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise ConfigurationError(f"{path}: cannot be read: {problem.strerror}") from problem
    if len(raw) > _LARGEST:
        raise ConfigurationError(f"{path}: has {len(raw)} bytes; at most {_LARGEST} are read")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigurationError(f"{path}: is neither UTF-8 nor GB 18030")


def _yaml_rows(path: Path, columns: tuple[str, ...]) -> Iterator[_Row]:
    tree = read_yaml(path)
    if not isinstance(tree.value, list):
        raise ConfigurationError(f"{path}: must be a list of entries with {', '.join(columns)}")
    for index, entry in enumerate(tree.value):
        where = f"{path}:{tree.line((index,))}"
        if not isinstance(entry, dict):
            raise ConfigurationError(f"{where}: must be an entry with {', '.join(columns)}")
        _check_columns(where, [str(name) for name in entry], columns)
        yield _Row(where, _plain(entry, columns))


def _check_columns(where: str, given: list[str], columns: tuple[str, ...]) -> None:
    for name in given:
        if name not in columns:
            raise ConfigurationError(f"{where}: '{name}' is not known; there are: {', '.join(columns)}")
        if given.count(name) > 1:
            raise ConfigurationError(f"{where}: '{name}' is there twice")
    for name in columns:
        if name not in given and name not in _MAY_BE_EMPTY:
            raise ConfigurationError(f"{where}: '{name}' is missing; there must be: {', '.join(columns)}")


def _plain(entry: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, str]:
    """The cells as text, without the quotation mark that `_text` puts before what looks like a formula."""
    cells = {name: "" if entry.get(name) is None else str(entry[name]).strip() for name in columns}
    return {name: cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA else cell for name, cell in cells.items()}


def _text(columns: tuple[str, ...], rows: Iterable[object], form: str) -> str:
    entries = [{name: str(getattr(row, name)) for name in columns} for row in rows]
    if form == "yaml":
        return yaml.safe_dump(entries, allow_unicode=True, sort_keys=False)
    written = io.StringIO()
    out = csv.writer(written)
    out.writerow(columns)
    for entry in entries:
        # A spreadsheet would calculate what begins like a formula.
        out.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in entry.values()])
    return written.getvalue()
