"""Opening models on telephone audio as it is heard live, whatever they were made for.

Most of Vosk's small models say 16 kHz in `mfcc.conf` and do not allow Kaldi to raise the rate: fed 8 kHz they fail
at the first chunk (vosk-api issues #18 and #1726). Kaldi has the resampler, it only must be allowed to use it. And
Kaldi computes the network for 200 ms at a time unless `model.conf` says otherwise, which reads all its weights five
times a second for each call; 300 ms cost a sixth less, and are made up for by handing the audio on sooner.

The model's own files stay as they were installed, so that they can be verified: Vosk opens a folder of links in which
those files are replaced.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from asr_models.recogniser import RATE

_KALDI_RATE = 16000.0
"""What Kaldi takes when mfcc.conf names no rate."""
_KALDI_STEP = 20
_STEP = 30
"""Frames of 10 ms for which the network is computed at once; Kaldi's own, and ours."""


@contextlib.contextmanager
def openable(folder: Path) -> Iterator[Path]:
    """The folder to hand to Vosk for the model in `folder`: itself, or one of links that ends with the context.

    Raises OSError, and ValueError when a rate or a number of frames is no number.
    """
    changed = {**_rate(folder), **_step(folder)}
    if not changed:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="model-8khz-") as name:
        links = Path(name)
        _link_all(folder, links, but=set(changed))
        for conf, options in changed.items():
            target = links / conf.relative_to(folder)
            target.write_text("".join(f"--{key}={value}\n" for key, value in options.items()), encoding="utf-8")
        yield links


def _rate(folder: Path) -> dict[Path, dict[str, str]]:
    """mfcc.conf as it must be, when it must be another."""
    conf = next(path for path in (folder / "conf" / "mfcc.conf", folder / "mfcc.conf") if path.is_file())
    options = _options(conf)
    if float(options.get("sample-frequency", _KALDI_RATE)) <= RATE or options.get("allow-upsample") == "true":
        return {}
    return {conf: options | {"allow-upsample": "true"}}


def _step(folder: Path) -> dict[Path, dict[str, str]]:
    """model.conf with longer steps of the network, when its own are shorter."""
    conf = folder / "conf" / "model.conf"
    if not conf.is_file():
        return {}  # of the old layout, whose options stand in Vosk itself
    options = _options(conf)
    if int(options.get("frames-per-chunk", _KALDI_STEP)) >= _STEP:
        return {}
    return {conf: options | {"frames-per-chunk": str(_STEP)}}


def _link_all(folder: Path, links: Path, *, but: set[Path]) -> None:
    for path in folder.iterdir():
        if path in but:
            continue
        if any(path in conf.parents for conf in but):
            (links / path.name).mkdir()
            _link_all(path, links / path.name, but=but)
        else:
            (links / path.name).symlink_to(path.resolve())


def _options(conf: Path) -> dict[str, str]:
    options: dict[str, str] = {}
    for line in conf.read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("#")[0].strip().removeprefix("--").partition("=")
        if key:
            # Kaldi takes both spellings of a key, and a flag without a value as true.
            options[key.strip().replace("_", "-")] = value.strip() if equals else "true"
    return options
