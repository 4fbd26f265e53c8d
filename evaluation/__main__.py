"""`make eval [ARGS=...]`, `python -m evaluation`: measures how calls are read, and writes docs/evaluation.md.

--text gives the figures of text alone, in seconds; --show tune the failures that rules may be mended by.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from asr_models.catalogue import choose
from asr_models.errors import ModelError, RecognitionError, UnknownModelError
from evaluation import report, speech
from evaluation.cases import CALLED_AT, TUNE, Case, Half, load_cases
from evaluation.figures import ELEMENTS
from evaluation.marks import marks_of, read
from evaluation.report import HALVES, Marked
from routing.jurisdiction import Jurisdiction
from routing.jurisdiction import load as load_jurisdiction
from routing.reading.spoken import Heard
from settings import ROOT, HotlineError, Settings
from settings import load as load_settings

DOCUMENT = ROOT / "docs" / "evaluation.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code, 2 when it was asked for wrongly or cannot measure."""
    asked = _parser().parse_args(arguments)
    try:
        return _run(asked)
    except (HotlineError, ModelError, RecognitionError, UnknownModelError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__)
    parser.add_argument("--text", action="store_true", help="text only: no speech, nothing written, seconds")
    parser.add_argument("--half", choices=HALVES, help="the figures of one half only; nothing is written")
    parser.add_argument("--show", choices=(TUNE,), help="the failures of the tunable half; the other is never shown")
    parser.add_argument(
        "--element", choices=[one.element for one in ELEMENTS], help="with --show: failures of this element"
    )
    parser.add_argument("--most", type=int, metavar="N", help="with --show: at most so many")
    parser.add_argument("--set", type=Path, nargs="+", default=(), metavar="FILE", help="other labelled calls")
    parser.add_argument("--model", default="demo", help="the speech model (default: demo)")
    parser.add_argument("--output", type=Path, default=DOCUMENT, metavar="FILE", help="default: docs/evaluation.md")
    return parser


def _run(asked: argparse.Namespace) -> int:
    data = Path(os.environ.get("HOTLINE_DATA", ROOT / "var"))
    settings = load_settings(Path(os.environ.get("HOTLINE_CONFIG", ROOT / "config")), data)
    jurisdiction = load_jurisdiction(settings.jurisdiction_dir / "yazhou.yaml")
    cases = load_cases(asked.set)
    if asked.show:
        tunable = [case for case in cases if case.half == TUNE]
        print(report.worst(_marked(tunable, Case.heard, jurisdiction), asked.element, asked.most))
        return 0
    halves: tuple[Half, ...] = (asked.half,) if asked.half else HALVES
    text = _marked(cases, Case.heard, jurisdiction)
    figures = report.of_text(text, halves)
    if not asked.text:
        spoken, errors, model = _spoken(cases, jurisdiction, settings, asked.model, halves)
        aims = report.aims({"text": text, "speech": spoken}, halves)
        figures = f"{aims}\n\n{figures}\n\n{report.of_speech(spoken, errors, model, halves)}"
    print(figures)
    if not asked.text and not asked.half:
        asked.output.write_text(report.document(text, figures, date.today()), encoding="utf-8")
    return 0


def _marked(
    cases: Sequence[Case], heard: Callable[[Case], Sequence[Heard]], jurisdiction: Jurisdiction
) -> list[Marked]:
    return [Marked(case, marks_of(case, read(heard(case), jurisdiction, CALLED_AT))) for case in cases]


def _spoken(
    cases: Sequence[Case], jurisdiction: Jurisdiction, settings: Settings, name: str, halves: Sequence[Half]
) -> tuple[list[Marked], dict[Half, speech.Errors], str]:
    """The cases marked as they were heard, the recogniser's errors by half, the model's name."""
    model = choose(name, settings.models_dir)
    if model is None:
        raise ModelError(f"--model {name}: this model is not installed (see `server.py models list`)")
    section = settings.hotline.listening
    ear = speech.ear(model, section.chunk_ms, section.gate_aggressiveness)
    wanted = [case for case in cases if case.half in halves]
    began = time.monotonic()
    spoken = speech.listen(wanted, ear, settings.data_dir / "evaluation")
    print(f"heard in {time.monotonic() - began:.0f} s", file=sys.stderr)
    marked = _marked(wanted, lambda case: speech.transcript(case, spoken), jurisdiction)
    errors = {half: speech.errors(_of_half(wanted, half, spoken)) for half in halves}
    return marked, errors, ear.recogniser.name


def _of_half(cases: Sequence[Case], half: Half, spoken: dict[str, speech.Spoken]) -> list[speech.Spoken]:
    texts = [turn.text for case in cases if case.half == half for turn in case.said if turn.speaker == "caller"]
    return [spoken[text] for text in texts if text in spoken]


if __name__ == "__main__":
    sys.exit(main())
