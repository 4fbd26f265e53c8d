"""`server.py models build`, `models measure` and `models words`: the demo model made, judged, and taught words."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from asr_models import manifest
from asr_models.catalogue import DEMO, DEMO_FOLDER, InstalledModel, find, folder_of
from asr_models.demo_model import words
from asr_models.errors import ModelError, UnknownModelError
from asr_models.probe import probe

if TYPE_CHECKING:
    from settings import Settings

_SENTENCES = Path(__file__).resolve().parents[2] / "data" / "sentences"
_BUILT, _LOAD, _WITH_WORDS = "demo-built", "load", "demo-words"
"""Names under which the results are put into the data folder."""
_NUMPY = "numpy>=1.26,<3"
_SYNTHETIC = "It is for SYNTHETIC VOICES ONLY (espeak-ng); it does not understand people."


def add_actions(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `build`, `measure` and `words` to the actions of `models`."""
    build = actions.add_parser("build", help="make the demo model from nothing (for synthetic voices only)")
    build.add_argument("name", choices=(DEMO, _LOAD), help="demo; load: a wide network, to measure load with")
    build.add_argument("--words-only", action="store_true", help="keep the sounds of the model that there is")
    build.add_argument("--width", type=int, metavar="N", help="outputs of each layer (demo: 192)")
    build.add_argument("--utterances", type=int, metavar="N", help="how many to learn from (demo: 13000)")
    build.add_argument("--epochs", type=float, metavar="N", help="how often to go through them (demo: 6)")
    build.add_argument("--into-program", action="store_true", help="put it in place of asr_models/demo/")
    build.set_defaults(handler=_build)

    measure = actions.add_parser("measure", help="measure a model with the synthetic voice (some minutes)")
    measure.add_argument("name", metavar="NAME", help="as `models list` shows it")
    measure.add_argument("--worst", action="store_true", help="also show what was heard worst")
    measure.set_defaults(handler=_measure)

    taught = actions.add_parser("words", help="words of the demo model: add, list")
    what = taught.add_subparsers(required=True, metavar="ACTION")
    add = what.add_parser("add", help="teach the demo model words; takes seconds, needs no training")
    add.add_argument("words", nargs="*", metavar="WORD", help="in hanzi")
    add.add_argument("--file", type=Path, metavar="FILE", help="a file with a word on each line")
    add.add_argument("--like", default=words.LIKE, metavar="WORD", help=f"said where this one is ({words.LIKE})")
    add.add_argument(
        "--model", metavar="NAME", help=f"the model to begin with ({_WITH_WORDS} if there is one, else demo)"
    )
    add.add_argument("--as", dest="target", default=_WITH_WORDS, metavar="NAME", help=f"its name ({_WITH_WORDS})")
    add.add_argument("--into-program", action="store_true", help="put it in place of asr_models/demo/")
    add.set_defaults(handler=_add)
    listing = what.add_parser("list", help="the words that the model knows, a line each")
    listing.add_argument("--model", metavar="NAME", help=f"({_WITH_WORDS} if there is one, else demo)")
    listing.add_argument("--added", action="store_true", help="only those that were added")
    listing.set_defaults(handler=_list)


def _build(args: argparse.Namespace, settings: Settings) -> int:
    if not _has_numpy("models build"):
        return 1
    from asr_models.demo_model import build

    size = build.DEMO_SIZE if args.name == DEMO else build.LOAD_SIZE
    given = {name: getattr(args, name) for name in ("width", "utterances", "epochs")}
    size = dataclasses.replace(size, **{name: value for name, value in given.items() if value is not None})
    sources = build.Sources(settings.jurisdiction_dir, _SENTENCES)
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix=".build.", dir=_made(settings.models_dir)) as room:
            fresh = Path(room) / "new"
            if args.words_only:
                build.build_words(fresh, DEMO_FOLDER, sources, _Shown())
            else:
                build.build(fresh, size, sources, _Shown())
            probe(fresh)
            target = (
                DEMO_FOLDER if args.into_program else settings.models_dir / (_BUILT if args.name == DEMO else _LOAD)
            )
            _put(fresh, target)
    except (ModelError, OSError) as problem:
        print(f"not built: {problem}", file=sys.stderr)
        return 1
    print(f"'{target.name}' is in {target}, {_bytes(target) / 1e6:.2f} MB, after {time.monotonic() - began:.0f} s.")
    print(_SYNTHETIC)
    if args.name == DEMO and not args.into_program:
        other = _different(target, DEMO_FOLDER)
        print(f"Not as in {DEMO_FOLDER}: {', '.join(other)}" if other else f"The same as {DEMO_FOLDER}, bit for bit.")
    return 0


def _measure(args: argparse.Namespace, settings: Settings) -> int:
    if not _has_numpy("models measure"):
        return 1
    from asr_models.demo_model import build, measure, vocabulary
    from asr_models.demo_model.synthesiser import synthesiser

    try:
        model = _model(args.name, settings)
        texts = vocabulary.collect(settings.jurisdiction_dir, _SENTENCES, build.SEED)
        known = sorted(words.known_words(model).words())
        scores, spoken = measure.measure(model, texts, known, synthesiser(), _Shown())
    except (ModelError, UnknownModelError, OSError) as problem:
        print(f"not measured: {problem}", file=sys.stderr)
        return 1
    print("| | texts | characters wrong | syllables wrong | all right | CPU seconds per second |")
    print("|---|---|---|---|---|---|")
    for score in scores:
        print(score)
        for wrong, said, heard in score.worst if args.worst else ():
            print(f"    {wrong} {said} -> {heard}")
    print(f"No speech, recordings of {measure.NON_SPEECH} that gave any text: ", end="")
    print(", ".join(f"{kind} {count}" for kind, count in spoken.items()))
    return 0


def _add(args: argparse.Namespace, settings: Settings) -> int:
    began = time.monotonic()
    try:
        texts = [*args.words, *(args.file.read_text(encoding="utf-8").split() if args.file else ())]
        if not texts:
            print("not added: no word was given, neither as an argument nor with --file", file=sys.stderr)
            return 2
        base = _model(args.model, settings)
        target = DEMO_FOLDER if args.into_program else folder_of(args.target, settings.models_dir)
        if target == DEMO_FOLDER and not args.into_program:
            raise ModelError(f"'{DEMO}' is part of the program; --into-program changes it")
        if args.into_program:
            with tempfile.TemporaryDirectory(dir=_made(settings.models_dir)) as room:
                added = words.add(base, texts, args.like, Path(room) / "new")
                if added.new:
                    _put(Path(room) / "new", target)
        else:
            added = words.add(base, texts, args.like, target)
    except (ModelError, UnknownModelError, OSError, UnicodeDecodeError) as problem:
        print(f"not added: {problem}", file=sys.stderr)
        return 1
    if added.known:
        print(f"known before: {' '.join(added.known)}")
    if added.new:
        print(f"added to '{target.name}' in {time.monotonic() - began:.1f} s: {' '.join(added.new)}")
        print(f"`listening.model: {target.name}` takes it; `models use {target.name}` does so while the server runs.")
    return 0


def _list(args: argparse.Namespace, settings: Settings) -> int:
    try:
        known = words.known_words(_model(args.model, settings))
    except (ModelError, UnknownModelError) as problem:
        print(f"not listed: {problem}", file=sys.stderr)
        return 1
    print("\n".join(known.added if args.added else sorted(known.words())))
    return 0


def _model(name: str | None, settings: Settings) -> InstalledModel:
    if name is None:
        name = _WITH_WORDS if find(_WITH_WORDS, settings.models_dir) else DEMO
    found = find(name, settings.models_dir)
    if found is None:
        raise ModelError(f"there is no model '{name}' here, or it lacks files; `models list` shows what there is")
    return found


def _has_numpy(command: str) -> bool:
    # One thread: the sums of several come in an order that changes, and so do their last bits.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if importlib.util.find_spec("numpy"):
        return True
    print(
        f"`{command}` needs numpy, which the hotline itself does not. Install it with: "
        f"{sys.executable} -m pip install '{_NUMPY}'",
        file=sys.stderr,
    )
    return False


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _put(fresh: Path, target: Path) -> None:
    """Put the model in place of what is in `target`, whose README stays."""
    readme = target / "README.md"
    if readme.is_file():
        shutil.copyfile(readme, fresh / "README.md")
    # Beside the target first: another disk may be full, and a rename is all or nothing.
    staged, old = (target.with_name(f".{target.name}.{word}") for word in ("new", "old"))
    for leftover in (staged, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(fresh, staged)
    for path in (staged, *staged.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    if target.exists():
        target.rename(old)
    staged.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _different(made: Path, other: Path) -> list[str]:
    names = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()} - {manifest.NAME}
    return sorted(
        name
        for name in names
        if not (other / name).is_file() or manifest.sha256_of(made / name) != manifest.sha256_of(other / name)
    )


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class _Shown:
    """Progress as a line that is rewritten on a terminal, and as a line for each tenth elsewhere."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._last = ("", -1)
        self._terminal = sys.stderr.isatty()

    def __call__(self, what: str, done: int, whole: int) -> None:
        tenth = done * 10 // max(1, whole)
        text = f"{time.monotonic() - self._began:5.0f} s  {what}: {done} of {whole}"
        if self._terminal:
            print(f"\r\033[K{text}", end="\n" if done == whole else "", file=sys.stderr, flush=True)
        elif (what, tenth) != self._last:
            print(text, file=sys.stderr, flush=True)
        self._last = (what, tenth)
