"""Passwords that the hotline draws for itself at the first start and keeps in the data folder."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import yaml

from settings import Settings

# Without letters and digits that look alike: a password may have to be typed into a telephone.
_ALPHABET = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True)
class Secrets:
    """AMI secret, and per agent's extension the SIP and the desk password."""

    file: Path
    ami_secret: str
    sip_passwords: dict[str, str]
    desk_passwords: dict[str, str]


def _draw(length: int = 20) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def keep(settings: Settings) -> Secrets:
    """Read data_dir/secrets/agents.yaml; draw and write what is missing there (mode 0600).

    Raises OSError when the folder cannot be written, ValueError when the file is not what we wrote.
    """
    file = settings.data_dir / "secrets" / "agents.yaml"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    known = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    if not isinstance(known, dict) or not isinstance(known.get("agents", {}), dict):
        raise ValueError(f"{file}: must hold the keys ami_secret and agents; take it away to draw new passwords")
    agents = dict(known.get("agents", {}))
    for agent in settings.agents.agents:
        entry = dict(agents.get(agent.extension, {}))
        agents[agent.extension] = {
            "sip_password": entry.get("sip_password") or _draw(),
            "desk_password": entry.get("desk_password") or _draw(12),
        }
    content = {"ami_secret": known.get("ami_secret") or _draw(32), "agents": agents}
    if content != known:
        new = file.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(
                "# Passwords of the agents: their SIP softphone, their sign-in at the desk. Keep this file private.\n"
            )
            yaml.safe_dump(content, out, allow_unicode=True)
        new.replace(file)
    return Secrets(
        file=file,
        ami_secret=settings.hotline.asterisk.ami_secret or str(content["ami_secret"]),
        sip_passwords={e: str(a["sip_password"]) for e, a in agents.items()},
        desk_passwords={e: str(a["desk_password"]) for e, a in agents.items()},
    )
