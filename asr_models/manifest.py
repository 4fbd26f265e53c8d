"""The list of a model's files and their SHA-256, written when it is installed and compared later.

The format is that of `sha256sum`, so `sha256sum -c MANIFEST.sha256` in the folder says the same without us.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

NAME = "MANIFEST.sha256"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
# Said to people, not to Vosk: may be changed without harm.
_NOT_LISTED = {NAME, "README.md", "README"}


def sha256_of(path: Path) -> str:
    """The file's SHA-256 as 64 hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(folder: Path) -> Path:
    """Write the manifest of all files below `folder`; return its path. Raises OSError."""
    path = folder / NAME
    path.write_text("".join(f"{sha256_of(folder / name)}  {name}\n" for name in _files(folder)), encoding="utf-8")
    return path


def differences(folder: Path) -> list[str]:
    """What is not as the manifest says, a sentence each; empty when all is. Raises OSError."""
    path = folder / NAME
    if not path.is_file():
        return [f"{path} is missing, so there is nothing to compare with (was this model put here by hand?)"]
    listed: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _LINE.fullmatch(line)
        if not match:
            return [f"{path} is damaged: this line is not a hash and a name: {line[:100]!r}"]
        listed[match[2]] = match[1]
    there = _files(folder)
    found = [f"{name} is missing" for name in sorted(set(listed) - set(there))]
    found += [f"{name} was not there when the model was installed" for name in sorted(set(there) - set(listed))]
    found += [f"{name} has changed" for name in there if name in listed and sha256_of(folder / name) != listed[name]]
    return found


def _files(folder: Path) -> list[str]:
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if name not in _NOT_LISTED)
