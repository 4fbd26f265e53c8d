"""The labelled calls: what was said, and what a careful agent would write down.

The set has two halves by a rule that nobody chose case by case: a case is untouched when the first byte of its id's
SHA-256 is even. On the tunable half rules and weights may be mended; of the untouched one nobody reads a case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from routing.reading.spoken import Heard
from settings import ROOT, HotlineError

OPENINGS = ROOT / "tests" / "data" / "openings"
CALLED_AT = datetime(2026, 11, 21, 14, 5, tzinfo=ZoneInfo("Asia/Shanghai"))
"""When all calls of the set were made, a Saturday."""

Half = Literal["tune", "untouched"]
TUNE: Half = "tune"
UNTOUCHED: Half = "untouched"


class CaseError(HotlineError):
    """A case that cannot be measured with; the message says which, and what is wrong."""


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


OneOf = Annotated[tuple[str, ...], BeforeValidator(_several)]
"""Values that are equally right, the best first; a single one may stand alone in the file."""


class _Labels(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlaceLabel(_Labels):
    """`unit`: the territorial unit; None where it has to be asked or the place has none. `words`: what the value
    must contain."""

    unit: str | None = None
    words: OneOf = ()


class MatterLabel(_Labels):
    """`units` empty: not to be scored."""

    matter: OneOf
    intent: OneOf
    urgency: OneOf
    units: OneOf = ()


class Turn(_Labels):
    """One utterance of a call."""

    speaker: Literal["caller", "agent"]
    text: str


class Case(_Labels):
    """One call. What is left out was not said; `matters` empty: not to be scored, save where nothing was understood."""

    id: str
    said: tuple[Turn, ...]
    scope: OneOf
    refuse_ground: OneOf = ()
    lines: tuple[str, ...] = ()
    place: PlaceLabel | None = None
    ask_place: bool = False
    time: OneOf = ()
    person: OneOf = ()
    wishes: OneOf = ()
    callback_number: str = ""
    demand: OneOf = ()
    event: OneOf = ()
    matters: tuple[MatterLabel, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _turns(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "said" not in given:
            return given
        said = given["said"]
        if isinstance(said, str):
            return {**given, "said": [{"speaker": "caller", "text": said}]}
        turns = [{"speaker": speaker, "text": text} for turn in said for speaker, text in turn.items()]
        return {**given, "said": turns}

    def __repr__(self) -> str:
        # What a failing test prints: an untouched case must not be shown by it.
        return f"Case({self.id})"

    @property
    def half(self) -> Half:
        """Which half the case belongs to."""
        return UNTOUCHED if hashlib.sha256(self.id.encode()).digest()[0] % 2 == 0 else TUNE

    def heard(self) -> list[Heard]:
        """The call as a recogniser without a mistake would write it."""
        return as_heard((turn.speaker, turn.text) for turn in self.said)


def as_heard(turns: Iterable[tuple[str, str]]) -> list[Heard]:
    """Speakers and texts as a transcript; who says nothing is not in it."""
    spoken = [(speaker, text) for speaker, text in turns if text.strip()]
    return [Heard(number, speaker, text, CALLED_AT) for number, (speaker, text) in enumerate(spoken, start=1)]


def load_cases(files: Sequence[Path] = ()) -> list[Case]:
    """The cases of the files, all of `OPENINGS` by default. Raises CaseError for the first that is wrong."""
    cases: list[Case] = []
    for file in files or sorted(OPENINGS.glob("*.yaml")):
        try:
            entries = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as problem:
            raise CaseError(f"{file.name}: {problem}") from problem
        if not isinstance(entries, list):
            raise CaseError(f"{file.name}: it must be a list of cases")
        cases.extend(_case(file, number, entry) for number, entry in enumerate(entries, start=1))
    if not cases:
        raise CaseError(f"there are no cases (*.yaml) in {OPENINGS}")
    ids = [case.id for case in cases]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise CaseError(f"an id must stand for one case: {', '.join(twice)}")
    return cases


def _case(file: Path, number: int, entry: Any) -> Case:
    try:
        return Case.model_validate(entry)
    except (ValidationError, AttributeError, TypeError) as problem:
        name = entry.get("id", "without an id") if isinstance(entry, dict) else "no mapping"
        # The first error only, and not its input: an untouched case must not be shown by its mistake.
        what = problem.errors()[0] if isinstance(problem, ValidationError) else None
        told = f"{'.'.join(map(str, what['loc']))}: {what['msg']}" if what else "said must be a text or a list of turns"
        raise CaseError(f"{file.name}, case {number} ({name}): {told}") from None
