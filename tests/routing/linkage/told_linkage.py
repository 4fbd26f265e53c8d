"""Events of a linkage as the bridge tells them; ids are derived from what happened."""

from __future__ import annotations

from typing import Any

from ivr.events import (
    EmergencyKeyPressed,
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
from tests.routing.told import Told, at


class ToldLinkage(Told):
    """A call that comes into a linkage."""

    def __init__(self, call_id: str = "c1", node: str = "node-a", *, rebuilt: bool = False) -> None:
        super().__init__(call_id, node)
        self.rebuilt = rebuilt

    def _linkage(self, what: str, seconds: float) -> dict[str, Any]:
        return {
            "call_id": self.call_id,
            "event_id": f"{self.call_id}:linkage:{what}:{seconds}",
            "at": at(seconds),
            "rebuilt": self.rebuilt,
        }

    def asked(
        self, *lines: str, seconds: float = 10, by: str = "agent", via: str = "desk", who: str = "8001"
    ) -> LinkageAsked:
        return LinkageAsked.model_validate(
            self._linkage(f"asked:{','.join(lines)}", seconds) | {"lines": lines, "by": by, "via": via, "who": who}
        )

    def joined(self, party: Party, name: str, seconds: float, channel: str = "") -> LinkageJoined:
        more = {"party": party, "name": name, "channel": channel or f"PJSIP/{name}-1"}
        return LinkageJoined.model_validate(self._linkage(f"joined:{name}", seconds) | more)

    def left_linkage(
        self, party: Party, name: str, seconds: float, reason: str = "dropped", channel: str = ""
    ) -> LinkageLeft:
        more = {"party": party, "name": name, "channel": channel or f"PJSIP/{name}-1", "reason": reason}
        return LinkageLeft.model_validate(self._linkage(f"left:{name}", seconds) | more)

    def attempt(
        self,
        line: str,
        number: int,
        outcome: Outcome,
        seconds: float,
        *,
        dialling: str = "d1",
        cause: int = 0,
        detail: str = "",
    ) -> LineAttempt:
        more = {
            "line": line,
            "dialling": f"{line}-{dialling}",
            "attempt": number,
            "number": line if number == 1 else f"0898{line}{number}",
            "trunk": "carrier",
            "outcome": outcome,
            "cause": cause,
            "detail": detail,
        }
        return LineAttempt.model_validate(self._linkage(f"{line}:{dialling}:{number}:{outcome}", seconds) | more)

    def exhausted(self, line: str, seconds: float, *, dialling: str = "d1", told_caller: bool = True) -> LineExhausted:
        more = {"line": line, "dialling": f"{line}-{dialling}", "told_caller": told_caller}
        return LineExhausted.model_validate(self._linkage(f"{line}:{dialling}:exhausted", seconds) | more)

    def muted(self, party: Party, name: str, seconds: float, *, muted: bool = True) -> PartyMuted:
        more = {"party": party, "name": name, "muted": muted}
        return PartyMuted.model_validate(self._linkage(f"muted:{name}:{muted}", seconds) | more)

    def key_pressed(self, seconds: float = 3) -> EmergencyKeyPressed:
        told = {"call_id": self.call_id, "event_id": f"{self.call_id}:key:{seconds}", "at": at(seconds)}
        return EmergencyKeyPressed.model_validate(told)

    def ended_linkage(self, seconds: float = 55, recording: str = "") -> LinkageEnded:
        return LinkageEnded.model_validate(self._linkage("ended", seconds) | {"recording": recording})

    def answered_at_once(self) -> list[Any]:
        """119 is asked for by the agent, answers, and all hang up."""
        return [
            self.arrived(),
            self.answered(),
            self.asked("119"),
            self.joined("caller", "13800000001", 10.1),
            self.joined("agent", "8001", 10.1),
            self.attempt("119", 1, "dialling", 10.2),
            self.attempt("119", 1, "ringing", 10.4),
            self.attempt("119", 1, "answered", 13),
            self.joined("line", "119", 13.1),
            self.left_linkage("line", "119", 50, "ended"),
            self.attempt("119", 1, "cancelled", 50),
            self.ended_linkage(50, "2026/11/21/c1-link.wav"),
            self.ended(51),
        ]
