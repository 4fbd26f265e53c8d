"""The spoken prompts: config/prompts.yaml made into the sound files that Asterisk plays.

Each file is rendered once and again only when its text or recording has changed: a manifest beside the files says
what each was made of. A recording of a person wins over the synthetic voice.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ivr import melody, voice
from settings import ROOT, Settings, read_yaml

RECIPE = "1"
"""Part of each file's fingerprint: a change of voice, speed or filter is a new recipe."""

ASTERISK_SAYS = (
    *(f"digits/{n}" for n in (*range(10), *range(10, 100, 10))),
    *(f"digits/{name}" for name in ("hundred", "thousand", "wan", "yi", "minus")),
    *("queue-youarenext", "queue-thereare", "queue-callswaiting", "queue-quantity1", "queue-quantity2"),
    *("queue-holdtime", "queue-minute", "queue-minutes", "queue-seconds", "queue-thankyou", "queue-reporthold"),
    "queue-periodic-announce",
)
"""What Asterisk 22 says by itself in language zh: numbers (say.c, ast_say_number_full_zh) and its queue (app_queue)."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*")


def _named(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > 80:
        raise ValueError(f"'{name}' cannot be a prompt's name (a-z, 0-9, - and _, with / between folders)")
    if name in _TONES:
        raise ValueError(f"'{name}' is a tone that we make ourselves; it is not spoken")
    return name


def _speakable(text: str) -> str:
    if len(text) > 500 or not any(c.isalnum() for c in text) or any(not c.isprintable() for c in text):
        raise ValueError("a prompt's text is 1 to 500 printable characters, with something to say among them")
    return text


Prompts = dict[Annotated[str, AfterValidator(_named)], Annotated[str, AfterValidator(_speakable)]]


class PromptTexts(BaseModel):
    """config/prompts.yaml: per language, name and text of each prompt."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    zh: Prompts
    en: Prompts = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> PromptTexts:
        if missing := [name for name in ASTERISK_SAYS if name not in self.zh]:
            raise ValueError(f"zh lacks {', '.join(missing)}, which Asterisk says by itself (queue, numbers)")
        return self

    def of(self, language: str) -> dict[str, str]:
        """The prompts of one language."""
        return {"zh": self.zh, "en": self.en}[language]


def load(path: Path) -> PromptTexts:
    """Read prompts.yaml. Raises ConfigurationError, one line per mistake."""
    return read_yaml(path).as_model(PromptTexts)


@dataclass(frozen=True)
class Report:
    """How many sound files were spoken, converted from recordings, left as they were, and removed."""

    spoken: int
    recorded: int
    unchanged: int
    removed: int


def render(
    texts: PromptTexts,
    sounds_dir: Path,
    recordings_dir: Path,
    *,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Make `sounds_dir`/LANGUAGE/NAME.wav (8 kHz, mono, 16 bit) for all prompts, recordings and tones.

    Recordings are `recordings_dir`/LANGUAGE/NAME.wav; those whose name is in no text are taken too.
    Raises voice.VoiceError when espeak-ng or sox is missing or fails; what was made until then is kept.
    """
    sources = _sources(texts, recordings_dir)
    manifest_path = sounds_dir / "manifest.json"
    made = _read_manifest(manifest_path)
    due = {file: source for file, source in sources.items() if not _is_made(sounds_dir / file, source, made.get(file))}
    gone = [file for file in made if file not in sources]
    if due:
        progress(f"rendering {len(due)} of {len(sources)} prompts")
    sounds_dir.mkdir(parents=True, exist_ok=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".render-", dir=sounds_dir) as scratch,
            ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool,
        ):
            # The work is done by espeak-ng and sox, each a process of its own: threads are enough to wait for them.
            jobs = [
                (file, pool.submit(_make, source, sounds_dir / file, Path(scratch))) for file, source in due.items()
            ]
            try:
                for file, job in jobs:
                    made[file] = {"of": due[file].fingerprint, "size": job.result()}
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        for file in gone:
            (sounds_dir / file).unlink(missing_ok=True)
            del made[file]
    finally:
        _write_manifest(manifest_path, made)
    recorded = sum(source.kind == "recording" for source in due.values())
    return Report(spoken=len(due) - recorded, recorded=recorded, unchanged=len(sources) - len(due), removed=len(gone))


def render_for(settings: Settings, *, progress: Callable[[str], None] = lambda line: None) -> Report:
    """Render the prompts and the music on hold of this hotline into its data folder."""
    report = render(
        load(_texts_path(settings)),
        settings.data_dir / "sounds",
        settings.config_dir / "recordings",
        progress=progress,
    )
    music = settings.data_dir / "moh" / "hotline.wav"
    if not music.exists():
        progress("composing the music on hold")
        melody.write_melody(music)
    return report


def _texts_path(settings: Settings) -> Path:
    own = settings.config_dir / "prompts.yaml"
    # A configuration folder of the operator's own need not repeat all texts.
    return own if own.exists() else ROOT / "config" / "prompts.yaml"


# --- what each file is made of ---------------------------------------------------------------------------------------

_WORDS_PER_MINUTE = {"zh": 200, "en": 160}
_WAV = ("-t", "wav", "-r", "8000", "-c", "1", "-b", "16", "-e", "signed-integer")
_TONES = {
    "beep": ("synth", "0.3", "sine", "1000", "fade", "t", "0.01", "0.3", "0.02", "gain", "-n", "-12"),
    "beeperr": ("synth", "0.4", "sine", "350", "fade", "t", "0.01", "0.4", "0.02", "gain", "-n", "-12"),
}
# To the band of a telephone, so that nothing is folded or lost later, and to one loudness.
_TELEPHONE = ("highpass", "150", "rate", "-v", "8000", "lowpass", "3500", "gain", "-n", "-6")


@dataclass(frozen=True)
class _Source:
    kind: Literal["text", "recording", "tone"]
    language: str
    name: str
    text: str = ""
    recording: Path | None = None
    fingerprint: str = ""


def _sources(texts: PromptTexts, recordings_dir: Path) -> dict[str, _Source]:
    """File name (LANGUAGE/NAME.wav) and what it is made of."""
    sources: dict[str, _Source] = {}
    for language in voice.VOICES:
        prompts = texts.of(language)
        if not prompts:
            continue
        for name, text in prompts.items():
            sources[f"{language}/{name}.wav"] = _Source("text", language, name, text=text)
        for name in _TONES:
            sources[f"{language}/{name}.wav"] = _Source("tone", language, name)
        folder = recordings_dir / language
        for recording in sorted(folder.rglob("*.wav")) if folder.is_dir() else ():
            name = recording.relative_to(folder).with_suffix("").as_posix()
            sources[f"{language}/{name}.wav"] = _Source("recording", language, name, recording=recording)
    return {file: _fingerprinted(source) for file, source in sources.items()}


def _fingerprinted(source: _Source) -> _Source:
    if source.recording is not None:
        content: object = hashlib.sha256(source.recording.read_bytes()).hexdigest()
    elif source.kind == "text":
        content = [source.text, voice.VOICES[source.language], _WORDS_PER_MINUTE[source.language]]
    else:
        content = _TONES[source.name]
    recipe = json.dumps([RECIPE, source.kind, content, _TELEPHONE, _edges(source.name)], ensure_ascii=False)
    fingerprint = hashlib.sha256(recipe.encode()).hexdigest()
    return _Source(source.kind, source.language, source.name, source.text, source.recording, fingerprint)


def _edges(name: str) -> tuple[str, ...]:
    """Silence off both ends, and a little of it back: less between the parts of a number."""
    trim = ("silence", "1", "0.02", "0.4%", "reverse", "silence", "1", "0.02", "0.4%", "reverse")
    return (*trim, "pad", *(("0", "0.02") if name.startswith("digits/") else ("0.05", "0.2")))


def _make(source: _Source, target: Path, scratch: Path) -> int:
    """Make one file; returns its size."""
    if source.kind == "tone":
        voice.convert(None, target, output=_WAV, effects=_TONES[source.name])
    elif source.recording is not None:
        voice.convert(source.recording, target, output=_WAV, effects=("remix", "-", *_TELEPHONE))
    else:
        spoken = scratch / f"{source.language}-{source.name.replace('/', '-')}.wav"
        voice.speak(source.text, spoken, language=source.language, words_per_minute=_WORDS_PER_MINUTE[source.language])
        voice.convert(spoken, target, output=_WAV, effects=(*_edges(source.name), *_TELEPHONE))
        spoken.unlink()
    return target.stat().st_size


def _is_made(file: Path, source: _Source, entry: Any) -> bool:
    if not isinstance(entry, dict) or entry.get("of") != source.fingerprint:
        return False
    try:
        return file.stat().st_size == entry.get("size")
    except OSError:
        return False


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # without it all is made again
    if not isinstance(made, dict):
        return {}
    # A damaged manifest must not make us remove anything outside the folder.
    return {
        file: entry for file, entry in made.items() if re.fullmatch(r"[a-z]+/[\w./-]+\.wav", file) and ".." not in file
    }


def _write_manifest(path: Path, made: dict[str, Any]) -> None:
    part = path.with_name(".manifest.part")
    with contextlib.suppress(OSError):  # without it all is made again next time
        part.write_text(json.dumps(made, ensure_ascii=False, indent=0, sort_keys=True), encoding="utf-8")
        part.replace(path)


# --- server.py prompts -----------------------------------------------------------------------------------------------


def add_actions(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `prompts`; the parsed arguments then have `handler`, (args, settings) -> exit code."""
    actions = parser.add_subparsers(dest="prompts_command", metavar="ACTION", required=True)
    rendering = actions.add_parser("render", help="make the sound files that are new or have changed")
    rendering.set_defaults(handler=_render_command)
    listing = actions.add_parser("list", help="show each prompt: its text, who speaks it, how long it is")
    listing.set_defaults(handler=_list_command)


def _render_command(arguments: argparse.Namespace, settings: Settings) -> int:
    began = time.monotonic()
    report = render_for(settings, progress=lambda line: print(f"  prompts: {line}", flush=True))
    counts = f"{report.spoken} spoken, {report.recorded} from recordings, {report.unchanged} unchanged"
    removed = f", {report.removed} removed" if report.removed else ""
    print(f"  prompts: {counts}{removed} ({time.monotonic() - began:.1f} s)")
    return 0


def _list_command(arguments: argparse.Namespace, settings: Settings) -> int:
    sources = _sources(load(_texts_path(settings)), settings.config_dir / "recordings")
    for file, source in sources.items():
        words = {"text": source.text, "recording": f"({source.recording})", "tone": "(a tone)"}[source.kind]
        length = _seconds(settings.data_dir / "sounds" / file)
        print(f"{source.language}  {source.name:32} {source.kind:9} {length:>8}  {words}")
    if any(_seconds(settings.data_dir / "sounds" / file) == "-" for file in sources):
        print("those without a length are not rendered yet: server.py prompts render", file=sys.stderr)
    return 0


def _seconds(file: Path) -> str:
    try:
        with wave.open(str(file), "rb") as sound:
            return f"{sound.getnframes() / sound.getframerate():.1f} s"
    except (OSError, EOFError, wave.Error):
        return "-"
