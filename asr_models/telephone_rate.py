"""Opening models that were made for 16 kHz on telephone audio.

Most of Vosk's small models say 16 kHz in `mfcc.conf` and do not allow Kaldi to raise the rate: fed 8 kHz they fail
at the first chunk (vosk-api issues #18 and #1726). Kaldi has the resampler, it only must be allowed to use it. The
model's own files stay as they were installed, so that they can be verified: Vosk opens a folder of links in which
that one file is replaced.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from asr_models.recogniser import RATE

_KALDI_RATE = 16000.0
"""What Kaldi takes when mfcc.conf names no rate."""


@contextlib.contextmanager
def openable(folder: Path) -> Iterator[Path]:
    """The folder to hand to Vosk for the model in `folder`: itself, or one of links that ends with the context.

    Raises OSError, and ValueError when mfcc.conf holds a rate that is no number.
    """
    conf = next(path for path in (folder / "conf" / "mfcc.conf", folder / "mfcc.conf") if path.is_file())
    options = _options(conf)
    if float(options.get("sample-frequency", _KALDI_RATE)) <= RATE or options.get("allow-upsample") == "true":
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="model-8khz-") as name:
        links = Path(name)
        _link_all(folder, links, but=conf)
        options["allow-upsample"] = "true"
        target = links / conf.relative_to(folder)
        target.write_text("".join(f"--{key}={value}\n" for key, value in options.items()), encoding="utf-8")
        yield links


def _link_all(folder: Path, links: Path, *, but: Path) -> None:
    for path in folder.iterdir():
        if path == but:
            continue
        if path in but.parents:
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
