"""setup/run in a copy of its own, where apt-get, sudo, dpkg-query and the .venv only write down how they are used."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from settings import ROOT

LISTED = [
    line.split()[0]
    for name in ("packages.txt", "packages-test.txt")
    for line in (ROOT / "setup" / name).read_text().splitlines()
    if line and not line.startswith("#")
]
REPLACED = ("sudo", "apt-get", "dpkg-query", "systemctl", "redis-server", "sox", "sipp", "baresip", "espeak-ng")

FAKE_PYTHON = """#!/bin/bash
[ "$1" = -c ] && exit 0
echo "python $*" >> "$LOG"
[ "$2" = pip ] && { [ -z "$SLOW" ] || sleep "$SLOW"; echo "pip's last words"; exit "${PIP_FAILS:-0}"; }
exit 0
"""


class Machine:
    """A folder with the project's set-up, and a PATH on which what can change a machine is replaced."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.bin = folder / "bin"
        self.log = folder / "log"
        self.bin.mkdir()
        for place in ("/usr/sbin", "/usr/bin", "/bin"):
            for tool in Path(place).iterdir():
                if tool.name not in REPLACED and not (self.bin / tool.name).is_symlink():
                    (self.bin / tool.name).symlink_to(tool)
        shutil.copytree(ROOT / "setup", self.root / "setup")
        for name in ("requirements.lock", "requirements-dev.lock"):
            shutil.copy(ROOT / name, self.root)
        (self.root / "setup" / "asterisk.sh").write_text('#!/bin/sh\necho "asterisk.sh" >> "$LOG"\n')
        (self.root / ".venv" / "bin").mkdir(parents=True)
        self.installed(*LISTED)
        self.program("apt-get", 'echo "apt-get $*" >> "$LOG"')
        self.program(".venv/bin/python", FAKE_PYTHON, self.root)

    def program(self, name: str, script: str, folder: Path | None = None) -> None:
        file = (folder or self.bin) / name
        file.write_text(script if script.startswith("#!") else f"#!/bin/bash\n{script}\n")
        file.chmod(0o755)

    def installed(self, *packages: str) -> None:
        cases = "".join(f"{package}) echo -n installed ;; " for package in packages)
        self.program("dpkg-query", f'case "${{!#}}" in {cases} *) exit 1 ;; esac')

    def run(self, *arguments: str, user: int | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(user, *arguments),
            env=self.environment(environment),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def command(self, user: int | None, *arguments: str) -> list[str]:
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user is not None else []
        return [*as_user, str(self.root / "setup" / "run"), *arguments]

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        return {"PATH": str(self.bin), "HOME": "/nonexistent", "LOG": str(self.log), **more}

    @property
    def done(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine() -> Iterator[Machine]:
    # Not pytest's own folder: another user must be able to enter it.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Machine(Path(folder))


def test_the_second_run_changes_nothing_and_is_quick(machine: Machine) -> None:
    first = machine.run()
    assert first.returncode == 0, first.stderr
    assert [line[:5] for line in first.stdout.splitlines() if line[0] == "["] == [f"[{n}/5]" for n in range(1, 6)]
    assert any("--require-hashes -r requirements.lock" in line for line in machine.done)
    before = len(machine.done)
    began = time.monotonic()
    second = machine.run()
    assert second.returncode == 0
    assert time.monotonic() - began < 3
    assert machine.done[before:] == ["asterisk.sh", "python server.py prompts render", "python server.py models list"]


def test_a_changed_lock_is_installed(machine: Machine) -> None:
    machine.run()
    before = len(machine.done)
    with (machine.root / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    machine.run()
    assert sum("pip install" in line for line in machine.done[before:]) == 1


def test_the_tests_lock_holds_the_other(machine: Machine) -> None:
    assert machine.run("--test").returncode == 0
    assert any("-r requirements-dev.lock" in line for line in machine.done)
    before = len(machine.done)
    assert machine.run().returncode == 0
    assert not any("pip install" in line for line in machine.done[before:])


def test_a_failing_pip_is_shown_and_tried_again(machine: Machine) -> None:
    failed = machine.run(PIP_FAILS="1")
    assert failed.returncode == 1
    assert "pip's last words" in failed.stderr
    assert "could not install requirements.lock" in failed.stderr
    assert "pip's last words" not in machine.run().stdout
    assert sum("pip install" in line for line in machine.done) == 2


def test_missing_packages_are_installed_once(machine: Machine) -> None:
    machine.installed(*(p for p in LISTED if p not in ("sox", "redis-server", "postgresql")))
    if os.geteuid() != 0:
        machine.program("sudo", 'exec "$@"')
    assert machine.run().returncode == 0
    update, install = (line for line in machine.done if line.startswith("apt-get"))
    assert update.endswith("update")
    assert install.endswith("--no-install-recommends install redis-server sox")


def test_a_program_that_the_operator_built_counts(machine: Machine) -> None:
    machine.installed(*(p for p in LISTED if p != "sox"))
    machine.program("sox", "exit 0")
    assert machine.run().returncode == 0
    assert not any(line.startswith("apt-get") for line in machine.done)


def somebody() -> int | None:
    """A user without rights: nobody, or whoever runs the tests when that is not root."""
    return 65534 if os.geteuid() == 0 else None


def test_neither_root_nor_sudo(machine: Machine) -> None:
    machine.installed(*(p for p in LISTED if p not in ("sox", "redis-server")))
    told = machine.run(user=somebody())
    assert told.returncode == 1
    assert "apt-get update && apt-get install --no-install-recommends redis-server sox\n" in told.stderr
    assert machine.done == []


def test_sudo_that_refuses(machine: Machine) -> None:
    machine.installed()
    machine.program("sudo", "exit 1")
    told = machine.run(user=somebody())
    assert told.returncode == 1
    assert "needs an administrator" in told.stderr


def test_sudo_is_used(machine: Machine) -> None:
    machine.installed(*(p for p in LISTED if p != "sox"))
    used = machine.log.with_name("sudo")
    used.touch()
    used.chmod(0o666)
    machine.log.touch()
    machine.log.chmod(0o666)
    machine.program("sudo", f'echo "$*" >> {used}; exec "$@"')
    machine.run(user=somebody())
    assert used.read_text().splitlines()[0] == "true"
    assert "install sox" in used.read_text()


def test_no_apt_get(machine: Machine) -> None:
    machine.installed()
    (machine.bin / "apt-get").unlink()
    told = machine.run()
    assert told.returncode == 1
    assert "there is no apt-get" in told.stderr
    assert "sip-tester" in told.stderr


def test_apt_get_that_fails_is_shown(machine: Machine) -> None:
    machine.installed()
    machine.program("apt-get", "echo E: no space left; exit 100")
    if os.geteuid() != 0:
        machine.program("sudo", 'exec "$@"')
    told = machine.run()
    assert told.returncode == 1
    assert "no space left" in told.stderr


def test_two_at_once_take_turns(machine: Machine) -> None:
    environment = machine.environment({"SLOW": "1"})
    both = [
        subprocess.Popen(machine.command(None), env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate(timeout=30)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("waiting for it" in text for text in said) == 1
    assert sum("pip install" in line for line in machine.done) == 1


def test_packages_for_the_first_layer_of_an_image(machine: Machine) -> None:
    assert machine.run("--packages").returncode == 0
    assert not any("server.py" in line for line in machine.done)


def test_usage(machine: Machine) -> None:
    assert "--test" in machine.run("--help").stdout
    assert machine.run("--nonsense").returncode == 2
    assert machine.done == []


def test_it_may_be_started_from_anywhere_and_is_executable(machine: Machine) -> None:
    for name in ("setup/run", "setup/asterisk.sh", ".ci/run"):
        assert (ROOT / name).stat().st_mode & stat.S_IXUSR, name
    result = subprocess.run(
        [str(machine.root / "setup" / "run")], cwd="/", env=machine.environment({}), capture_output=True, timeout=60
    )
    assert result.returncode == 0
