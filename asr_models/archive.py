"""Unpacking an archive that came from elsewhere, so that it can write nowhere but into the folder it is given.

The checksum says that an archive is the one that was meant; this says that whatever it is does no harm.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from asr_models.errors import InstallError

_MOST_FILES = 10_000
_MOST_BYTES = 8 << 30
_MOST_GROWTH = 20
"""Unpacked size over packed size. Models grow by half; a bomb grows a thousandfold."""
_CHUNK = 1 << 20


def unpack(archive: Path, folder: str, target: Path) -> None:
    """Put what lies in `folder` of the zip file `archive` into the existing, empty folder `target`.

    Raises InstallError (no zip file, damaged, names that lead elsewhere, links, too large unpacked, no such folder,
    not enough room) and OSError for the disk. `target` may then hold some files; the caller removes it.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            files = [info for info in packed.infolist() if not info.is_dir()]
            wanted = _wanted(files, folder)
            limit = min(_MOST_BYTES, _MOST_GROWTH * archive.stat().st_size)
            _check_amount(files, limit, target)
            left = limit
            for name, info in wanted.items():
                left -= _write(packed, info, target / name, left)
    except zipfile.BadZipFile as problem:
        raise InstallError(f"{archive.name} is no zip archive, or a damaged one: {problem}") from problem
    except (zlib.error, EOFError, NotImplementedError, RuntimeError) as problem:
        # What zipfile raises for broken streams, methods it does not know, and encryption.
        raise InstallError(f"{archive.name} cannot be unpacked: {problem}") from problem


def _wanted(files: list[zipfile.ZipInfo], folder: str) -> dict[str, zipfile.ZipInfo]:
    wanted: dict[str, zipfile.ZipInfo] = {}
    for info in files:
        path = PurePosixPath(info.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in info.filename or ":" in path.parts[0]:
            raise InstallError(f"the archive wants to write outside its folder: {info.filename!r}; it was not unpacked")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise InstallError(f"the archive holds a link or device: {info.filename!r}; it was not unpacked")
        if path.parts[0] == folder and len(path.parts) > 1:
            name = str(PurePosixPath(*path.parts[1:]))
            if name in wanted:
                raise InstallError(f"the archive holds {info.filename!r} twice; it was not unpacked")
            wanted[name] = info
    if not wanted:
        tops = sorted({PurePosixPath(info.filename).parts[0] for info in files})[:5]
        raise InstallError(f"the archive has no folder '{folder}' (it has: {', '.join(tops) or 'nothing'})")
    return wanted


def _check_amount(files: list[zipfile.ZipInfo], limit: int, target: Path) -> None:
    amount = sum(info.file_size for info in files)
    if len(files) > _MOST_FILES or amount > limit:
        raise InstallError(
            f"the archive would unpack to {amount} bytes in {len(files)} files, more than the {limit} bytes and "
            f"{_MOST_FILES} files that are accepted; it was not unpacked"
        )
    free = shutil.disk_usage(target).free
    if amount > free:
        raise InstallError(f"the disk of {target.parent} has {free} bytes free, and {amount} are needed to unpack")


def _write(packed: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, left: int) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with packed.open(info) as source, path.open("wb") as file:
        # Counted as it comes: the sizes in the archive's directory are only what it says of itself.
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > left:
                raise InstallError(f"the archive unpacks to more than it says, at {info.filename!r}")
            file.write(chunk)
    return written
