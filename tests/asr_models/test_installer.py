"""Installing from a real HTTP server that breaks off, lies and forgets; and from files."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asr_models import download, installer, manifest
from asr_models.catalogue import Entry, entry, missing_files
from asr_models.errors import InstallError
from tests.asr_models.archives import FOLDER, Shelf, entry_for, serving, zipped

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def archive() -> bytes:
    return zipped()


@pytest.fixture
def shelf(archive: bytes) -> Shelf:
    return Shelf(archive)


@pytest.fixture
def address(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(download, "_PAUSE", 0.01)
    with serving(shelf) as address:
        yield address


class Watched:
    def __init__(self) -> None:
        self.seen: list[tuple[int, int | None]] = []

    def __call__(self, received: int, total: int | None) -> None:
        self.seen.append((received, total))


def no_progress(received: int, total: int | None) -> None:
    pass


def nothing_left(models: Path) -> None:
    """Neither a model nor an unpacked folder; a part and its note may stay."""
    assert not (models / "tiny-model").exists()
    assert [path for path in (models / ".installing").glob("*") if path.is_dir()] == []


def test_download_check_unpack(address: str, archive: bytes, tmp_path: Path) -> None:
    watched = Watched()
    folder = installer.install(entry_for(archive, address), tmp_path / "models", progress=watched)
    assert folder == tmp_path / "models" / "tiny-model"
    assert missing_files(folder) == []
    assert installer.verify("tiny-model", tmp_path / "models") == []
    assert watched.seen[-1] == (len(archive), len(archive))
    assert sorted(path.name for path in (tmp_path / "models" / ".installing").iterdir()) == ["tiny-model.lock"]


def test_an_installed_model_is_left_alone_and_a_damaged_one_replaced(
    address: str, shelf: Shelf, archive: bytes, tmp_path: Path
) -> None:
    wanted = entry_for(archive, address)
    folder = installer.install(wanted, tmp_path, progress=no_progress)
    installer.install(wanted, tmp_path, progress=no_progress)
    assert len(shelf.asked) == 1
    (folder / "graph/words.txt").write_text("broken")
    assert installer.verify("tiny-model", tmp_path) == ["graph/words.txt has changed"]
    installer.install(wanted, tmp_path, progress=no_progress)
    assert len(shelf.asked) == 2
    assert installer.verify("tiny-model", tmp_path) == []


def test_broken_off_twice_and_gone_on_from_there(address: str, shelf: Shelf, archive: bytes, tmp_path: Path) -> None:
    shelf.cuts = [300_000, 200_000]
    watched = Watched()
    installer.install(entry_for(archive, address), tmp_path, progress=watched)
    assert [asked[1] for asked in shelf.asked] == [None, "bytes=300000-", "bytes=500000-"]
    assert shelf.asked[1][2] == '"first"'
    assert [received for received, _ in watched.seen] == sorted(received for received, _ in watched.seen)


def test_given_up_after_three_fruitless_attempts_and_gone_on_by_the_next_command(
    address: str, shelf: Shelf, archive: bytes, tmp_path: Path
) -> None:
    wanted = entry_for(archive, address)
    shelf.cuts = [300_000, 0, 0, 0]
    with pytest.raises(InstallError, match=r"broke off 3 times in a row.*300000 bytes are kept"):
        installer.install(wanted, tmp_path, progress=no_progress)
    nothing_left(tmp_path)
    shelf.asked.clear()
    installer.install(wanted, tmp_path, progress=no_progress)
    assert [asked[1] for asked in shelf.asked] == ["bytes=300000-"]


def test_a_server_that_ignores_ranges_sends_it_whole(
    address: str, shelf: Shelf, archive: bytes, tmp_path: Path
) -> None:
    shelf.ranges = False
    shelf.cuts = [300_000]
    folder = installer.install(entry_for(archive, address), tmp_path, progress=no_progress)
    assert manifest.differences(folder) == []
    assert len(shelf.asked) == 2


def test_a_server_without_a_mark_is_asked_from_the_beginning(
    address: str, shelf: Shelf, archive: bytes, tmp_path: Path
) -> None:
    shelf.etag = ""
    shelf.cuts = [300_000]
    installer.install(entry_for(archive, address), tmp_path, progress=no_progress)
    assert [asked[1] for asked in shelf.asked] == [None, None]


def test_a_file_that_changed_meanwhile_is_not_glued_together(
    address: str, shelf: Shelf, archive: bytes, tmp_path: Path
) -> None:
    old = Shelf(bytes(len(archive)))
    shelf.data, shelf.cuts = old.data, [300_000, 0, 0, 0]
    with pytest.raises(InstallError, match="broke off"):
        installer.install(entry_for(archive, address), tmp_path, progress=no_progress)
    shelf.data, shelf.etag = archive, '"second"'
    installer.install(entry_for(archive, address), tmp_path, progress=no_progress)
    assert installer.verify("tiny-model", tmp_path) == []


def test_a_part_that_a_crash_left_without_its_note_is_not_trusted(
    address: str, shelf: Shelf, archive: bytes, tmp_path: Path
) -> None:
    room = tmp_path / ".installing"
    room.mkdir()
    (room / "tiny-model.zip.part").write_bytes(b"x" * 1000)
    (room / "tiny-model.zip.part.json").write_text("{")
    installer.install(entry_for(archive, address), tmp_path, progress=no_progress)
    assert shelf.asked[0][1] is None


def test_a_part_longer_than_the_file_is_thrown_away(address: str, shelf: Shelf, archive: bytes, tmp_path: Path) -> None:
    room = tmp_path / ".installing"
    room.mkdir()
    (room / "tiny-model.zip.part").write_bytes(b"x" * (len(archive) + 10))
    note = {"address": address, "mark": '"first"', "total": None}
    (room / "tiny-model.zip.part.json").write_text(json.dumps(note))
    shelf.statuses = [416]
    installer.install(entry_for(archive, address), tmp_path, progress=no_progress)
    assert [asked[1] for asked in shelf.asked] == [f"bytes={len(archive) + 10}-", None]


def test_no_length_said_is_no_obstacle(address: str, shelf: Shelf, archive: bytes, tmp_path: Path) -> None:
    shelf.says_length = False
    installer.install(entry_for(archive, address), tmp_path, progress=no_progress)
    assert installer.verify("tiny-model", tmp_path) == []


def test_more_than_was_promised_is_cut_off(address: str, shelf: Shelf, archive: bytes, tmp_path: Path) -> None:
    shelf.data, shelf.says_length = archive + b"x" * 1_000_000, False
    with pytest.raises(InstallError, match="more than"):
        installer.install(entry_for(archive, address), tmp_path, progress=no_progress)
    nothing_left(tmp_path)


def test_a_wrong_checksum_installs_nothing_and_keeps_nothing(address: str, archive: bytes, tmp_path: Path) -> None:
    wanted = entry_for(archive, address).model_copy(update={"sha256": "0" * 64})
    with pytest.raises(InstallError, match=r"SHA-256 is .*not 0000.*It was removed"):
        installer.install(wanted, tmp_path, progress=no_progress)
    nothing_left(tmp_path)
    assert not (tmp_path / ".installing" / "tiny-model.zip.part").exists()


def test_another_size_is_refused_before_it_is_downloaded(
    address: str, shelf: Shelf, archive: bytes, tmp_path: Path
) -> None:
    wanted = entry_for(archive, address).model_copy(update={"size": 43898754})
    with pytest.raises(InstallError, match="but the catalogue says 43898754"):
        installer.install(wanted, tmp_path, progress=no_progress)


@pytest.mark.parametrize("status", [404, 403, 410])
def test_what_the_server_refuses_is_said(
    status: int, address: str, shelf: Shelf, archive: bytes, tmp_path: Path
) -> None:
    shelf.statuses = [status]
    with pytest.raises(InstallError, match=f"HTTP {status} .*--from"):
        installer.install(entry_for(archive, address), tmp_path, progress=no_progress)
    nothing_left(tmp_path)


def test_a_busy_server_is_asked_again(address: str, shelf: Shelf, archive: bytes, tmp_path: Path) -> None:
    shelf.statuses = [503, 500, 200]
    installer.install(entry_for(archive, address), tmp_path, progress=no_progress)
    assert len(shelf.asked) == 3


def test_a_host_that_cannot_be_reached(archive: bytes, address: str, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match=r"127\.0\.0\.1 cannot be reached .*https_proxy.*--from"):
        installer.install(entry_for(archive, "http://127.0.0.1:9/x.zip"), tmp_path, progress=no_progress)


def test_a_proxy_is_taken_from_the_environment(
    address: str, shelf: Shelf, archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", address.removesuffix("/models/model-0.1.zip"))
    elsewhere = "http://models.invalid/model-0.1.zip"
    installer.install(entry_for(archive, elsewhere), tmp_path, progress=no_progress)
    assert shelf.asked[0][0] == elsewhere


def test_another_address_is_taken_with_from(address: str, archive: bytes, tmp_path: Path) -> None:
    wanted = entry_for(archive, "http://127.0.0.1:9/x.zip")
    installer.install(wanted, tmp_path, source=address, progress=no_progress)
    assert installer.verify("tiny-model", tmp_path) == []


@pytest.mark.parametrize("source", ["ftp://example.org/x.zip", "file:///etc/passwd"])
def test_only_http(source: str, archive: bytes, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="not an http or https address"):
        installer.install(entry_for(archive, ""), tmp_path, source=source, progress=no_progress)


def test_a_local_archive(archive: bytes, tmp_path: Path) -> None:
    file = tmp_path / "brought.zip"
    file.write_bytes(archive)
    installer.install(entry_for(archive, ""), tmp_path / "models", source=str(file), progress=no_progress)
    assert installer.verify("tiny-model", tmp_path / "models") == []
    assert file.read_bytes() == archive


def test_a_wrong_local_archive_is_refused_and_left_alone(archive: bytes, tmp_path: Path) -> None:
    file = tmp_path / "brought.zip"
    file.write_bytes(archive[:-1])
    with pytest.raises(InstallError, match=r"brought.zip is not the archive of 'tiny-model': it has"):
        installer.install(entry_for(archive, ""), tmp_path, source=str(file), progress=no_progress)
    assert file.exists()
    with pytest.raises(InstallError, match="there is no file"):
        installer.install(entry_for(archive, ""), tmp_path, source=str(tmp_path / "none.zip"), progress=no_progress)


def test_without_a_checksum_only_when_that_is_accepted(archive: bytes, tmp_path: Path) -> None:
    file = tmp_path / "brought.zip"
    file.write_bytes(archive)
    unknown = entry_for(archive, "").model_copy(update={"sha256": None, "size": None})
    with pytest.raises(InstallError, match=r"no checksum .*--sha256, or --unverified"):
        installer.install(unknown, tmp_path, source=str(file), progress=no_progress)
    installer.install(unknown, tmp_path, source=str(file), progress=no_progress, unverified=True)
    assert installer.verify("tiny-model", tmp_path) == []


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({f"{FOLDER}/am/final.mdl": b"x"}, "it lacks conf/model.conf, conf/mfcc.conf, graph/HCLG.fst"),
        (
            {
                f"{FOLDER}/{name}": b"nonsense"
                for name in ("am/final.mdl", "conf/model.conf", "conf/mfcc.conf", "graph/HCLG.fst")
            },
            "does not work: Vosk",
        ),
    ],
)
def test_an_archive_that_is_no_working_model(files: dict[str, bytes], problem: str, tmp_path: Path) -> None:
    data = zipped(files)
    file = tmp_path / "brought.zip"
    file.write_bytes(data)
    with pytest.raises(InstallError, match=problem):
        installer.install(entry_for(data, ""), tmp_path, source=str(file), progress=no_progress)
    nothing_left(tmp_path)


def test_two_at_once(archive: bytes, tmp_path: Path) -> None:
    room = tmp_path / ".installing"
    room.mkdir()
    with (room / "tiny-model.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InstallError, match="another process is installing 'tiny-model'"):
            installer.install(entry_for(archive, ""), tmp_path, source="/none", progress=no_progress)


def test_what_a_killed_installation_unpacked_is_removed(archive: bytes, tmp_path: Path) -> None:
    file = tmp_path / "brought.zip"
    file.write_bytes(archive)
    left = tmp_path / ".installing" / "tiny-model.unpacking-abc" / "new"
    left.mkdir(parents=True)
    installer.install(entry_for(archive, ""), tmp_path, source=str(file), progress=no_progress)
    assert not left.exists()


def test_the_demo_is_already_there(tmp_path: Path) -> None:
    assert installer.install(entry("demo"), tmp_path, progress=no_progress).name == "demo"
    assert installer.verify("demo", tmp_path) == []


def test_what_is_not_installed_cannot_be_verified(tmp_path: Path) -> None:
    assert "not installed" in installer.verify("vosk-model-cn-0.22", tmp_path)[0]


_LIMITED = """
import resource, sys
from pathlib import Path
from asr_models import installer
from asr_models.catalogue import Entry
from asr_models.errors import InstallError
limit, entry, models, source = int(sys.argv[1]), Entry.model_validate_json(sys.argv[2]), sys.argv[3], sys.argv[4]
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    installer.install(entry, Path(models), source=source, progress=lambda received, total: None)
except InstallError as problem:
    print(problem)
else:
    print("installed")
"""


def _install_with_little_room(limit: int, wanted: Entry, models: Path, source: str) -> str:
    command = [sys.executable, "-c", _LIMITED, str(limit), wanted.model_dump_json(), str(models), source]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_disk_that_fills_up_while_downloading(address: str, archive: bytes, tmp_path: Path) -> None:
    """The kernel refuses to let the file grow, as it does when the disk or the quota is full."""
    said = _install_with_little_room(200_000, entry_for(archive, address), tmp_path, address)
    assert "is full" in said and "make room" in said
    nothing_left(tmp_path)
    assert list((tmp_path / ".installing").glob("*.part")) == []


def test_a_disk_that_fills_up_while_unpacking(archive: bytes, tmp_path: Path) -> None:
    file = tmp_path / "brought.zip"
    file.write_bytes(archive)
    said = _install_with_little_room(500_000, entry_for(archive, ""), tmp_path / "models", str(file))
    assert "is full" in said
    nothing_left(tmp_path / "models")


def test_no_room_is_seen_beforehand(
    address: str, archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: real._replace(free=1000))
    with pytest.raises(InstallError, match="has 1000 bytes free"):
        installer.install(entry_for(archive, address), tmp_path, progress=no_progress)
    nothing_left(tmp_path)
