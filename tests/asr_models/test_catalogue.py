"""Which models there are, which one is taken, and what a folder must hold to be one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from asr_models import catalogue, manifest
from asr_models.errors import UnknownModelError


def test_every_entry_says_licence_and_place() -> None:
    names = [entry.name for entry in catalogue.entries()]
    assert names == ["demo", "vosk-model-small-cn-0.22", "vosk-model-cn-0.22", "vosk-model-small-en-us-0.15"]
    for entry in catalogue.entries():
        assert entry.licence == "Apache-2.0"
        assert entry.found_at and entry.note
        assert (entry.address is None) == (entry.name == "demo")


def test_an_unknown_name_is_answered_with_those_that_are_known() -> None:
    with pytest.raises(UnknownModelError, match=r"no model 'vosk' .*vosk-model-small-cn-0.22"):
        catalogue.entry("vosk")


def test_the_demo_model_is_there_and_as_committed(tmp_path: Path) -> None:
    demo = catalogue.find("demo", tmp_path)
    assert demo is not None and demo.language == "zh"
    assert manifest.differences(demo.folder) == []


def test_auto_takes_the_real_model_once_it_is_installed(tmp_path: Path) -> None:
    taken = catalogue.choose("auto", tmp_path)
    assert taken is not None and taken.name == "demo"
    shutil.copytree(catalogue.DEMO_FOLDER, tmp_path / catalogue.PREFERRED)
    taken = catalogue.choose("auto", tmp_path)
    assert taken is not None and taken.folder == tmp_path / catalogue.PREFERRED


def test_a_named_model_is_not_replaced_by_another(tmp_path: Path) -> None:
    assert catalogue.choose("vosk-model-cn-0.22", tmp_path) is None


def test_a_folder_of_ones_own_is_a_model_too(tmp_path: Path) -> None:
    shutil.copytree(catalogue.DEMO_FOLDER, tmp_path / "ours-2")
    own = catalogue.choose("ours-2", tmp_path)
    assert own is not None and own.language == "zh"


@pytest.mark.parametrize("name", ["../demo", "/etc", "a/b", "..", "", "x" * 101])
def test_a_path_is_no_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError):
        catalogue.find(name, tmp_path)


@pytest.mark.parametrize("lost", ["am/final.mdl", "conf/model.conf", "conf/mfcc.conf", "graph/HCLG.fst"])
@pytest.mark.parametrize("how", ["removed", "emptied"])
def test_a_folder_that_lacks_a_file_is_no_model(lost: str, how: str, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(catalogue.DEMO_FOLDER, folder)
    if how == "removed":
        (folder / lost).unlink()
    else:
        (folder / lost).write_bytes(b"")
    assert catalogue.missing_files(folder) == [lost]
    assert catalogue.find("broken", tmp_path) is None


def test_the_layout_of_the_small_models(tmp_path: Path) -> None:
    """am, conf, graph in parts, ivector: as vosk-model-small-cn-0.22 has them."""
    names = [
        *("am/final.mdl", "conf/mfcc.conf", "conf/model.conf"),
        *("graph/HCLr.fst", "graph/Gr.fst", "graph/disambig_tid.int", "graph/phones/word_boundary.int"),
        *("ivector/final.ie", "ivector/final.dubm", "ivector/final.mat", "ivector/global_cmvn.stats"),
        *("ivector/online_cmvn.conf", "ivector/splice.conf"),
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert catalogue.missing_files(tmp_path) == []
    (tmp_path / "graph/Gr.fst").unlink()
    (tmp_path / "ivector/splice.conf").unlink()
    assert catalogue.missing_files(tmp_path) == ["graph/Gr.fst", "ivector/splice.conf"]


def test_the_old_flat_layout(tmp_path: Path) -> None:
    for name in ("final.mdl", "mfcc.conf", "HCLr.fst", "Gr.fst", "disambig_tid.int"):
        (tmp_path / name).write_text("x")
    assert catalogue.missing_files(tmp_path) == []
    (tmp_path / "disambig_tid.int").unlink()
    assert catalogue.missing_files(tmp_path) == ["disambig_tid.int"]


def test_the_manifest_names_what_changed(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(catalogue.DEMO_FOLDER, folder)
    assert manifest.differences(folder) == []
    (folder / "graph/words.txt").write_text("other")
    (folder / "conf/mfcc.conf").unlink()
    (folder / "ivector").mkdir()
    (folder / "ivector/final.ie").write_text("new")
    assert manifest.differences(folder) == [
        "conf/mfcc.conf is missing",
        "ivector/final.ie was not there when the model was installed",
        "graph/words.txt has changed",
    ]


def test_a_damaged_or_missing_manifest_is_said(tmp_path: Path) -> None:
    assert "is missing" in manifest.differences(tmp_path)[0]
    (tmp_path / manifest.NAME).write_text("what?\n")
    assert "is damaged" in manifest.differences(tmp_path)[0]
