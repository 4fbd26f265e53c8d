"""What is known of one call's three-line linkage now: which lines are being dialled or are in the conference, who else.

Follows the published events, so it is the same whether they come as they happen or are told again afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ivr.events import Event, LineAttempt, LineExhausted, LinkageAsked, LinkageEnded, LinkageJoined, LinkageLeft

LineState = Literal["dialling", "connected"]


@dataclass(slots=True)
class Linkage:
    """A linkage; `lines` holds those that are being dialled or connected, the others are over."""

    open: bool = True
    caller_in: bool = False
    agent_in: bool = False
    lines: dict[str, LineState] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    """By line: the channel by which it is in the conference."""

    def apply(self, event: Event) -> None:
        """Take note of an event of this call; others than a linkage's mean nothing here."""
        match event:
            case LinkageAsked():
                self.open = True
            case LinkageJoined(party="line"):
                self.lines[event.name] = "connected"
                self.channels[event.name] = event.channel
            case LinkageJoined(party="caller"):
                self.caller_in = True
            case LinkageJoined(party="agent"):
                self.agent_in = True
            case LinkageLeft(party="caller"):
                self.caller_in = False
            case LinkageLeft(party="agent"):
                self.agent_in = False
            case LinkageLeft(party="line", reason="taken_out" | "ended"):
                self._over(event.name)
            case LineAttempt(outcome="cancelled"):
                self._over(event.line)
            case LineAttempt(outcome="dialling" | "dropped"):
                self.lines[event.line] = "dialling"
                self.channels.pop(event.line, None)
            case LineExhausted():
                self._over(event.line)
            case LinkageEnded():
                self.open = self.caller_in = self.agent_in = False
                self.lines.clear()
                self.channels.clear()

    def _over(self, line: str) -> None:
        self.lines.pop(line, None)
        self.channels.pop(line, None)
