"""A spoken call that comes into a linkage, as the telephone side tells it."""

from __future__ import annotations

from typing import Any

from ivr.events import (
    LineAttempt,
    LineExhausted,
    LinkageAsked,
    LinkageEnded,
    LinkageJoined,
    LinkageLeft,
    Outcome,
    Party,
    PartyMuted,
)
from tests.desk.spoken_call import SpokenCall


class LinkedCall(SpokenCall):
    """Each method tells one thing."""

    async def ask_for(self, *lines: str, by: str = "agent", via: str = "desk", who: str = "8001") -> None:
        more = {"lines": lines, "by": by, "via": via, "who": who}
        await self._tell(LinkageAsked.model_validate(self._common() | more))

    async def join(self, party: Party, name: str) -> None:
        await self._tell(LinkageJoined(**self._common(), party=party, name=name, channel=f"PJSIP/{name}-9"))

    async def leave(self, party: Party, name: str, reason: Any = "dropped") -> None:
        channel = f"PJSIP/{name}-9"
        await self._tell(LinkageLeft(**self._common(), party=party, name=name, channel=channel, reason=reason))

    async def attempt(self, line: str, attempt: int, outcome: Outcome, detail: str = "") -> None:
        await self._tell(
            LineAttempt(
                **self._common(),
                line=line,
                dialling=f"{line}-1",
                attempt=attempt,
                number=line if attempt == 1 else f"08988{line}{attempt}",
                trunk="carrier",
                outcome=outcome,
                detail=detail,
            )
        )

    async def exhaust(self, line: str) -> None:
        await self._tell(LineExhausted(**self._common(), line=line, dialling=f"{line}-1", told_caller=True))

    async def mute(self, party: Party, name: str, *, muted: bool = True) -> None:
        await self._tell(PartyMuted(**self._common(), party=party, name=name, muted=muted))

    async def end_linkage(self) -> None:
        await self._tell(LinkageEnded(**self._common(), recording="2026/11/21/link.wav"))
