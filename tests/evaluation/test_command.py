"""`python -m evaluation` from end to end on a few calls: what it prints and writes, and what it never shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from evaluation.__main__ import main
from evaluation.cases import TUNE, Case

SAID = (
    "水南村的路灯坏了三天了",
    "梅山有人乱倒垃圾",
    "城东村停水了昨天开始",
    "南滨居的电梯坏了里面没有人",
    "盐灶村狗太吵睡不着",
)


@pytest.fixture
def calls(tmp_path: Path) -> tuple[Path, list[Case]]:
    """A set with both halves; nothing of its labels is right, so that every case is a failure."""
    entries = [
        {
            "id": f"call-{number}",
            "said": said,
            "scope": "refuse",
            "refuse_ground": "YZ-12-5",
            "person": "欧阳小敏",
            "matters": [{"matter": "street_lamp", "intent": "praise", "urgency": "guide", "units": "yz.renda"}],
        }
        for number, said in enumerate(SAID)
    ]
    file = tmp_path / "calls.yaml"
    file.write_text(yaml.safe_dump(entries, allow_unicode=True), encoding="utf-8")
    cases = [Case.model_validate(entry) for entry in entries]
    assert {case.half for case in cases} == {"tune", "untouched"}
    return file, cases


def _assert_only_the_tunable_are_shown(text: str, cases: list[Case]) -> None:
    for case in cases:
        assert (case.said[0].text in text) is (case.half == TUNE), case.id
        assert (case.id in text) is (case.half == TUNE), case.id


def test_the_document(
    calls: tuple[Path, list[Case]], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, cases = calls
    monkeypatch.setenv("HOTLINE_DATA", str(tmp_path / "data"))
    document = tmp_path / "evaluation.md"
    assert main(["--set", str(file), "--output", str(document)]) == 0
    written = document.read_text(encoding="utf-8")
    _assert_only_the_tunable_are_shown(written, cases)
    printed = capsys.readouterr().out
    assert printed.strip() in written
    for part in ("## The aims", "## From text", "## From speech (model `demo`)", "### Recognition", "worst cases"):
        assert part in written
    tune = sum(case.half == TUNE for case in cases)
    assert f"| person |  | 0.0 % (0/{tune}," in written


def test_what_is_shown_are_the_tunable_failures(
    calls: tuple[Path, list[Case]], capsys: pytest.CaptureFixture[str]
) -> None:
    file, cases = calls
    assert main(["--set", str(file), "--show", "tune", "--element", "person"]) == 0
    shown = capsys.readouterr().out
    _assert_only_the_tunable_are_shown(shown, cases)
    assert "欧阳小敏" in shown
    assert "praise" not in shown


@pytest.mark.parametrize("half", ["tune", "untouched"])
def test_the_figures_of_a_half_show_no_case(
    calls: tuple[Path, list[Case]], capsys: pytest.CaptureFixture[str], half: str
) -> None:
    file, cases = calls
    assert main(["--set", str(file), "--text", "--half", half]) == 0
    printed = capsys.readouterr().out
    assert f"{half}: recall" in printed
    assert not any(case.said[0].text in printed or case.id in printed for case in cases)


def test_the_untouched_half_cannot_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--show", "untouched"])
    assert ended.value.code == 2
    assert "untouched" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "no-such-model"], "no-such-model"),
        (["--set", "/no/such/file.yaml"], "file.yaml"),
    ],
)
def test_what_is_asked_wrongly_is_one_clear_line(
    calls: tuple[Path, list[Case]], capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    own_set = [] if "--set" in arguments else ["--set", str(calls[0])]
    assert main([*own_set, *arguments]) == 2
    problem = capsys.readouterr().err
    assert problem.startswith("error: ")
    assert told in problem
    assert len(problem.strip().splitlines()) == 1
