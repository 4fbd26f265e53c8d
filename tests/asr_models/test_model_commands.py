"""`server.py models` as an operator types it."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import pytest

import settings as configuration
from asr_models import commands
from asr_models.catalogue import DEMO_FOLDER
from tests.asr_models.archives import zipped


def run(data_dir: Path, *words: str) -> int:
    parser = argparse.ArgumentParser()
    commands.add_actions(parser)
    args = parser.parse_args(words)
    code: int = args.handler(args, configuration.load(configuration.ROOT / "config", data_dir))
    return code


def test_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models" / "ours").mkdir(parents=True)
    assert run(tmp_path, "list") == 0
    said = capsys.readouterr().out
    assert "vosk-model-small-cn-0.22  (zh, Apache-2.0, 43.9 MB to download)  not installed" in said
    assert "SYNTHETIC VOICES ONLY" in said
    assert "ours  (not of the catalogue)" in said
    assert said.endswith("takes: demo\n")


def test_install_from_a_file_then_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = zipped(_renamed("vosk-model-small-cn-0.22"))
    file = tmp_path / "brought.zip"
    file.write_bytes(archive)
    name = "vosk-model-small-cn-0.22"
    models = tmp_path / "models"

    assert run(tmp_path, "install", name, "--from", str(file)) == 1
    assert "not installed: " in capsys.readouterr().err
    checksum = hashlib.sha256(archive).hexdigest()
    assert run(tmp_path, "install", name, "--from", str(file), "--sha256", checksum.upper()) == 0
    shown = capsys.readouterr()
    assert f"'{name}' is installed in" in shown.out
    assert "MB of" in shown.err

    assert run(tmp_path, "verify") == 0
    assert capsys.readouterr().out == f"demo: as it was installed\n{name}: as it was installed\n"
    (models / name / "conf/mfcc.conf").write_text("--sample-frequency=8000\n")
    assert run(tmp_path, "verify", name) == 1
    assert "NOT as it was installed\n    conf/mfcc.conf has changed" in capsys.readouterr().out
    assert run(tmp_path, "list") == 0
    assert capsys.readouterr().out.endswith(f"takes: {name}\n")


def _renamed(folder: str) -> dict[str, bytes]:
    return {
        f"{folder}/{path.relative_to(DEMO_FOLDER).as_posix()}": path.read_bytes()
        for path in DEMO_FOLDER.rglob("*")
        if path.is_file() and path.parent != DEMO_FOLDER
    }


def test_what_cannot_be_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "install", "nonsense") == 1
    assert "no model 'nonsense'" in capsys.readouterr().err
    assert run(tmp_path, "install", "vosk-model-cn-0.22") == 1
    assert "--sha256" in capsys.readouterr().err
    assert run(tmp_path, "verify", "vosk-model-cn-0.22") == 1
    assert run(tmp_path, "verify", "../..") == 1
    assert run(tmp_path, "install", "demo") == 0
    with pytest.raises(SystemExit):
        run(tmp_path, "install", "vosk-model-cn-0.22", "--sha256", "abc")
