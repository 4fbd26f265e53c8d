"""Putting a model of the catalogue into the data folder: all of it, checked, or nothing.

Everything happens in `.installing/` beside the models, on the same disk; the last step is one rename, so a model
that can be seen is whole. What an interrupted download brought stays there and is gone on from.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from asr_models import archive, download, manifest
from asr_models.catalogue import DEMO, Entry, folder_of, missing_files
from asr_models.download import Progress
from asr_models.errors import InstallError, ModelError
from asr_models.probe import probe
from asr_models.telephone_rate import openable

_FRESH = ".unpacking-"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def install(
    entry: Entry, models_dir: Path, *, source: str | None = None, progress: Progress, unverified: bool = False
) -> Path:
    """Install a model and return its folder; one that is installed and unharmed is left alone.

    `source` is an archive's path or http(s) address, in place of the catalogue's. An archive whose checksum is not
    known is refused unless `unverified`. Raises InstallError; what was there before is then as it was.
    """
    folder = folder_of(entry.name, models_dir)
    if entry.name == DEMO:
        return folder
    if folder.is_dir() and not missing_files(folder) and not manifest.differences(folder):
        return folder
    address = source or entry.address
    if address is None or entry.folder is None:
        raise InstallError(f"the catalogue has no address for '{entry.name}'; give the archive with --from")
    if entry.sha256 is None and not unverified:
        raise InstallError(
            f"no checksum of '{entry.name}' is known, so it cannot be told from a forgery; see {entry.found_at} and "
            "give --sha256, or --unverified if you accept that"
        )
    room = models_dir / ".installing"
    part = room / f"{entry.name}.zip.part"
    try:
        room.mkdir(parents=True, exist_ok=True)
        with _alone(room / f"{entry.name}.lock", entry.name):
            for leftover in room.glob(f"{entry.name}{_FRESH}*"):
                shutil.rmtree(leftover)  # of an installation that was killed
            packed = _bring(address, part, entry, progress)
            _check(packed, entry, ours=packed == part)
            _unpack(packed, entry.folder, room, folder)
            download.discard(part)
    except OSError as problem:
        if problem.errno in _FULL:
            # The calls need the disk more than the next attempt needs the part.
            download.discard(part)
            raise InstallError(
                f"the disk of {models_dir} is full ({problem.strerror}); make room for the archive and about twice "
                "its size, and try again. What had arrived was removed"
            ) from problem
        raise InstallError(f"'{entry.name}' could not be written to {models_dir}: {problem}") from problem
    return folder


def verify(name: str, models_dir: Path) -> list[str]:
    """What is wrong with an installed model, a sentence each; empty when every file is as it was installed.

    Raises asr_models.errors.UnknownModelError for a name that is a path, and OSError when a file cannot be read.
    """
    folder = folder_of(name, models_dir)
    if not folder.is_dir():
        return [f"it is not installed (there is no folder {folder})"]
    needed = [f"{file} is missing or empty, and Vosk needs it" for file in missing_files(folder)]
    return needed + manifest.differences(folder)


@contextlib.contextmanager
def _alone(lock: Path, name: str) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InstallError(f"another process is installing '{name}' right now; wait until it is done") from None
        yield


def _bring(address: str, part: Path, entry: Entry, progress: Progress) -> Path:
    if "://" in address:
        download.fetch(address, part, size=entry.size, progress=progress)
        return part
    path = Path(address)
    if not path.is_file():
        raise InstallError(f"there is no file {path}; --from takes a zip archive or an http(s) address")
    progress(path.stat().st_size, path.stat().st_size)
    return path


def _check(packed: Path, entry: Entry, *, ours: bool) -> None:
    problem = ""
    size = packed.stat().st_size
    if entry.size is not None and size != entry.size:
        problem = f"it has {size} bytes, not {entry.size}"
    elif entry.sha256 is not None:
        found = manifest.sha256_of(packed)
        if found != entry.sha256:
            problem = f"its SHA-256 is {found}, not {entry.sha256}"
    if not problem:
        return
    if ours:
        download.discard(packed)
        raise InstallError(
            f"what was downloaded is not the archive of '{entry.name}': {problem}. It was removed; try again, and if "
            "it stays so, something on the way changes it (a proxy), or the maker has changed the file"
        )
    raise InstallError(f"{packed} is not the archive of '{entry.name}': {problem}")


def _unpack(packed: Path, inner: str, room: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}{_FRESH}", dir=room) as name:
        fresh = Path(name) / "new"
        fresh.mkdir()
        archive.unpack(packed, inner, fresh)
        missing = missing_files(fresh)
        if missing:
            raise InstallError(f"the archive is no model that Vosk could open: it lacks {', '.join(missing)}")
        manifest.write(fresh)
        try:
            with openable(fresh) as loadable:
                probe(loadable)
        except (ModelError, ValueError) as problem:
            raise InstallError(f"the model in the archive does not work: {problem}") from problem
        if folder.exists():
            # A damaged or half-copied one; a rename cannot replace a folder that holds something.
            folder.rename(Path(name) / "old")
        fresh.rename(folder)
