"""Archives that want to do harm."""

from __future__ import annotations

import random
import stat
import zipfile
from pathlib import Path

import pytest

from asr_models.archive import unpack
from asr_models.errors import InstallError
from tests.asr_models.archives import zipped


def _refused(data: bytes, tmp_path: Path, problem: str) -> None:
    file = tmp_path / "bad.zip"
    file.write_bytes(data)
    target = tmp_path / "deep" / "target"
    target.mkdir(parents=True)
    with pytest.raises(InstallError, match=problem):
        unpack(file, "m", target)
    assert {path.name for path in tmp_path.iterdir()} == {"bad.zip", "deep"}
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"target"}


@pytest.mark.parametrize(
    "name", ["../out", "m/../../out", "/tmp/out", "m/../../../out", "m\\..\\..\\out", "C:/out", "m/a/../../../out"]
)
def test_names_that_lead_elsewhere(name: str, tmp_path: Path) -> None:
    _refused(zipped({"m/good": b"x", name: b"evil"}), tmp_path, "outside its folder")


def test_links(tmp_path: Path) -> None:
    file = tmp_path / "links.zip"
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("m/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    data = file.read_bytes()
    file.unlink()
    _refused(data, tmp_path, "link or device")


def test_a_bomb(tmp_path: Path) -> None:
    _refused(zipped({"m/zeros": bytes(50_000_000)}), tmp_path, "would unpack to 50000000 bytes")


def test_a_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    data = bytearray(zipped({"m/zeros": bytes(50_000_000)}))
    honest = (50_000_000).to_bytes(4, "little")
    while honest in data:
        at = data.index(honest)
        data[at : at + 4] = (1000).to_bytes(4, "little")
    _refused(bytes(data), tmp_path, "m/zeros|cannot be unpacked|damaged")
    assert sum(path.stat().st_size for path in (tmp_path / "deep").rglob("*") if path.is_file()) < 3_000_000


def test_too_many_files(tmp_path: Path) -> None:
    _refused(zipped({f"m/{number}": b"" for number in range(10_001)}), tmp_path, "10001 files")


def test_twice_the_same_name(tmp_path: Path) -> None:
    file = tmp_path / "twice.zip"
    with zipfile.ZipFile(file, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("m/a", "first")
        archive.writestr("m/a", "second")
    data = file.read_bytes()
    file.unlink()
    _refused(data, tmp_path, "twice")


def test_another_folder(tmp_path: Path) -> None:
    _refused(zipped({"other/a": b"x"}), tmp_path, r"no folder 'm' \(it has: other\)")


def test_no_zip_and_a_damaged_one(tmp_path: Path) -> None:
    _refused(b"<html>not found</html>", tmp_path, "no zip archive")
    data = bytearray(zipped({"m/a": random.Random(1).randbytes(100_000)}))
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "bad.zip").write_bytes(bytes(data))
    with pytest.raises(InstallError, match=r"damaged|cannot be unpacked"):
        unpack(tmp_path / "bad.zip", "m", tmp_path / "deep" / "target")


def test_only_the_wanted_folder_is_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "good.zip"
    file.write_bytes(zipped({"m/a/b": b"x", "README": b"y"}))
    target = tmp_path / "target"
    target.mkdir()
    unpack(file, "m", target)
    assert [path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()] == ["a/b"]
