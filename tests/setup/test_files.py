"""The shell scripts, the Makefile, the lists and locks, and what stands in docker/."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import settings as configuration
from settings import ROOT


def shell_scripts() -> list[Path]:
    found = [ROOT / "setup" / "run", ROOT / ".ci" / "run"]
    for folder in ("setup", "docker", "dialplans", "tests"):
        found += sorted((ROOT / folder).rglob("*.sh"))
    return found


@pytest.mark.parametrize("script", shell_scripts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_shell_scripts(script: Path) -> None:
    done = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "set -euo pipefail" in script.read_text()


def packages(name: str) -> list[str]:
    lines = (ROOT / "setup" / name).read_text().splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    for line in listed:
        assert re.fullmatch(r"[a-z0-9][a-z0-9+.-]+ +(-|[a-z][a-z0-9-]*) +# \S.*", line), line
    return [line.split()[0] for line in listed]


def test_the_package_lists() -> None:
    running, testing = packages("packages.txt"), packages("packages-test.txt")
    assert len({*running, *testing}) == len(running) + len(testing)
    assert {"redis-server", "espeak-ng", "sox", "sip-tester", "baresip-core"} <= set(running)


# --- the locks -------------------------------------------------------------------------------------------------------


def pins(name: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {canonicalize_name(package): version for package, version in found}


def test_the_tests_lock_holds_all_of_the_other() -> None:
    running, testing = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: version for name, version in running.items() if testing.get(name) != version} == {}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_names_hashes_and_no_index(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"^\s*--(index-url|extra-index-url|find-links|trusted-host)|://", text, re.MULTILINE)
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        if "==" in block.split("\n")[0] and not block.startswith("#"):
            assert "--hash=sha256:" in block, block[:80]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
@pytest.mark.parametrize("version", ["3.11.2", "3.11.14", "3.12.3", "3.13.5"])  # 3.11.2 is Debian 12's
def test_a_lock_is_complete_for_each_python(name: str, version: str) -> None:
    """A requirement for some Pythons only is easily missed when the lock is made with another."""
    environment = {
        "python_version": version.rpartition(".")[0],
        "python_full_version": version,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    locked = pins(name)
    missing = []
    for package in locked:
        for line in importlib.metadata.distribution(package).requires or []:
            needed = Requirement(line)
            wanted = needed.marker is None or needed.marker.evaluate(environment)
            if wanted and canonicalize_name(needed.name) not in locked:
                missing.append(f"{package} needs {line}")
    assert missing == []


# --- Makefile and .ci/run --------------------------------------------------------------------------------------------


def make(*arguments: str, **environment: str) -> str:
    # What an outer `make test` says to its children must not reach this one.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", *arguments], cwd=ROOT, env=own | environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_alone_lists_what_there_is() -> None:
    listed = make()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"setup", "run", "demo", "test", "bench", "lint", "check", "clean", "help"} <= targets
    assert all(f"make {target}" in listed for target in targets)


def test_make_run_sets_up_and_becomes_the_server() -> None:
    assert make("-n", "run", "ARGS=--role desk").splitlines() == [
        "setup/run",
        "exec .venv/bin/python server.py run --role desk",
    ]


def test_make_test_sets_up_lints_and_tests() -> None:
    planned = make("-n", "test")
    order = ["setup/run --test", "ruff check", "ruff format --check", "mypy", "shellcheck", "hadolint", "pytest"]
    places = [planned.index(step) for step in order]
    assert places == sorted(places)


def test_make_clean_keeps_data_and_what_was_installed() -> None:
    planned = make("-n", "clean")
    removed = [word for line in planned.splitlines() if line.startswith("rm ") for word in line.split()[2:]]
    assert removed
    assert not {"var", ".venv", ".asterisk", "config"} & set(removed)


def test_ci_runs_make_test_and_nothing_else(tmp_path: Path) -> None:
    fake = tmp_path / "make"
    fake.write_text(f'#!/bin/sh\necho "$* $PWD CI=$CI LANG=$LANG" >> {tmp_path / "log"}\n')
    fake.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run([str(ROOT / ".ci" / "run")], cwd="/", env=environment, check=True, timeout=30)
    assert (tmp_path / "log").read_text().splitlines() == [f"test {ROOT} CI=true LANG=C.UTF-8"]


# --- docker ----------------------------------------------------------------------------------------------------------


def compose() -> dict[str, object]:
    document = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    assert isinstance(document, dict)
    return document


def filled_in(text: str, **environment: str) -> str:
    """Compose's ${NAME}, ${NAME:-default} and ${NAME:?error}."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found[1], found[2], found[3]
        if name in environment:
            return environment[name]
        assert kind != ":?", f"{name} must be given"
        return rest or ""

    return re.sub(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}", value, text)


def test_compose_names_what_exists() -> None:
    document = compose()
    services = document["services"]
    assert isinstance(services, dict)
    assert set(services) == {"hotline", "redis", "postgres"}
    build = services["hotline"]["build"]
    assert (ROOT / "docker" / build["context"] / build["dockerfile"]).exists()
    volumes = document["volumes"]
    assert isinstance(volumes, dict)
    for service in services.values():
        assert service["restart"] == "unless-stopped"
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in volumes or (ROOT / "docker" / source).is_dir(), volume
        for name in service.get("depends_on", {}):
            assert "healthcheck" in services[name]
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "the stores are for this machine only"


def test_composes_settings_are_settings(tmp_path: Path) -> None:
    services = compose()["services"]
    assert isinstance(services, dict)
    text = filled_in(
        services["hotline"]["environment"]["HOTLINE_SET"], POSTGRES_PASSWORD="secret", HOTLINE_SET="web.bind=0.0.0.0"
    )
    pairs = dict(entry.split("=", 1) for entry in text.split())
    hotline = configuration.load(ROOT / "config", tmp_path, pairs)
    assert hotline.redis_url == "redis://127.0.0.1:6379/0"
    assert hotline.database_url == "postgresql+asyncpg://hotline:secret@127.0.0.1:5432/hotline"
    assert hotline.hotline.web.bind == "0.0.0.0"


def test_the_image_is_built_by_setup_run_and_runs_as_an_ordinary_user() -> None:
    lines = (ROOT / "docker" / "Dockerfile").read_text().splitlines()
    instructions = [line.split()[0] for line in lines if re.match(r"[A-Z]+ ", line)]
    assert "HEALTHCHECK" in instructions
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["990"]
    assert sum("setup/run" in line for line in lines if line.startswith("RUN")) == 2
    ports = configuration.Ports()
    (exposed,) = (line.split()[1:] for line in lines if line.startswith("EXPOSE "))
    assert exposed == [f"{ports.sip}/udp", f"{ports.rtp_first}-{ports.rtp_last}/udp", f"{ports.web}/tcp"]
    assert f"127.0.0.1:{ports.web}/healthz" in (ROOT / "docker" / "Dockerfile").read_text()


def test_no_secret_and_no_data_gets_into_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".git", "var*", "docker/.env", ".venv*", ".asterisk"} <= set(ignored)
