"""How the hotline is: asked of its parts now and then, told to people as banners, to machines as JSON."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from routing.storage import Call

log = structlog.get_logger(__name__)

OK = "ok"
SPEECH = "speech"
"""The part that stands for the speech model: ok, NO_MODEL, DEMO_MODEL or what else is wrong with it."""
LINES = "lines"
"""The part that stands for the rehearsals of the emergency lines: ok, or which of them failed or were never tried."""
NO_MODEL = "no_model"
DEMO_MODEL = "demo_model"
DESK_FEED = "desk_feed"
"""The desk's own subscription to Redis."""

_ASKED_EVERY_SECONDS = 2.0
_ANSWER_SECONDS = 5.0
_PART_NAMES = {
    "redis": "Redis（事件通道）",
    "database": "数据库",
    "asterisk": "Asterisk（电话交换）",
    "bridge": "通话桥接",
    "intake": "工单接收",
    "clocks": "期限看守",
    "outbox": "事件发送",
    "health": "健康检查",
    SPEECH: "语音识别",
}
_NO_MODEL_TEXT = "没有语音模型：server.py models install vosk-model-small-cn-0.22"
_DEMO_MODEL_TEXT = "演示模型，只适用于合成语音"


@dataclass(frozen=True)
class Banner:
    """One line across the page. `kind`: trouble (something does not work) or notice (works, but know this)."""

    kind: Literal["trouble", "notice"]
    text: str


class HealthWatch:
    """Asks `health` at most every two seconds, however many ask us."""

    def __init__(self, health: Callable[[], Awaitable[dict[str, str]]]) -> None:
        self._health = health
        self._parts: dict[str, str] = {}
        self._asked = float("-inf")
        self._lock = asyncio.Lock()

    async def parts(self) -> dict[str, str]:
        """Part name to `ok` or what is wrong. A health check that fails or hangs is itself a part with trouble."""
        async with self._lock:
            if time.monotonic() - self._asked >= _ASKED_EVERY_SECONDS:
                try:
                    async with asyncio.timeout(_ANSWER_SECONDS):
                        self._parts = dict(await self._health())
                except Exception as problem:
                    # Whatever broke it, the page that shows trouble must not be what it breaks.
                    log.exception("the health check failed")
                    self._parts = {"health": str(problem) or type(problem).__name__}
                self._asked = time.monotonic()
            return dict(self._parts)


def works(parts: dict[str, str]) -> bool:
    """True when calls can be taken and tickets kept. Without a speech model, or with a line that failed, they can."""
    return all(state == OK for part, state in parts.items() if part not in (SPEECH, LINES))


def banners(parts: dict[str, str], call: Call | None) -> list[Banner]:
    """What the page says about `parts`, and about the model that listens to `call` when one is open."""
    shown: list[Banner] = []
    for part, state in parts.items():
        # What is wrong with a line stands on its button and on the supervisor's page: agents cannot mend it.
        if part not in (SPEECH, LINES) and state != OK:
            shown.append(Banner("trouble", f"{_PART_NAMES.get(part, part)}异常：{state}"))
    speech = parts.get(SPEECH, OK)
    legs = list(call.listening.values()) if call and call.state != "ended" else []
    if speech == NO_MODEL or any(leg.get("state") == NO_MODEL for leg in legs):
        shown.append(Banner("notice", _NO_MODEL_TEXT))
    elif speech == DEMO_MODEL or any(_is_demo(str(leg.get("model", ""))) for leg in legs):
        shown.append(Banner("notice", _DEMO_MODEL_TEXT))
    elif speech != OK:
        shown.append(Banner("trouble", f"{_PART_NAMES[SPEECH]}异常：{speech}"))
    return shown


def _is_demo(model: str) -> bool:
    return model == "demo" or model.startswith("demo-")
