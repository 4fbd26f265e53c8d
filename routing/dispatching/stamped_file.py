"""A stamped or signed document that somebody hands in: kept under its SHA-256, so that it cannot be exchanged."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from routing.life.errors import BadValue, Missing

MAX_BYTES = 20 * 1024 * 1024

_KINDS = ((b"%PDF-", "pdf"), (b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"))
"""Known by their first bytes; what a name says proves nothing."""


@dataclass(frozen=True)
class StampedFile:
    """`name`: in the folder where such files are kept."""

    name: str
    sha256: str


def keep(file: Path, folder: Path, *, rule: str) -> StampedFile:
    """Copy a file into `folder` under its hash. Raises Missing, BadValue (too large, of no kind that is kept)."""
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise BadValue(
                f"文件有 {size // 1024 // 1024} MB，最多 {MAX_BYTES // 1024 // 1024} MB", rule=rule, field="file"
            )
        content = file.read_bytes()
    except OSError as problem:
        raise Missing(f"读不到盖章的文件：{problem.strerror}", rule=rule, field="file") from problem
    kind = next((kind for first, kind in _KINDS if content.startswith(first)), None)
    if kind is None:
        raise BadValue("文件必须是 PDF、PNG 或 JPG（盖章文件的扫描件）", rule=rule, field="file")
    sha256 = hashlib.sha256(content).hexdigest()
    kept = StampedFile(f"{sha256}.{kind}", sha256)
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / kept.name
    if not whole.exists():
        part = folder / f".{kept.name}.{os.getpid()}"
        part.write_bytes(content)
        part.replace(whole)
    return kept


def is_unchanged(folder: Path, name: str, sha256: str) -> bool:
    """Whether the file that was kept is still there and the same."""
    kept = folder / name
    return kept.is_file() and hashlib.sha256(kept.read_bytes()).hexdigest() == sha256
