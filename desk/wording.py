"""How things are called and shown on the pages: Chinese labels, times, and caller's text made visible."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from zoneinfo import ZoneInfo

from routing.life.states import STATE_NAMES

FIELD_LABELS = {
    "time": "时间",
    "place": "地点",
    "person": "人物",
    "event": "事件",
    "demand": "诉求",
    "callback_number": "回电号码",
    "intent": "诉求类型",
    "urgency": "紧急程度",
    "matter": "事项",
    "functional_unit": "职能单位",
    "territorial_unit": "属地单位",
}
CALL_STATES = {"arriving": "呼入", "waiting": "等待中", "ringing": "振铃", "talking": "通话中", "ended": "已结束"}
TICKET_STATES = STATE_NAMES
ENDED_BY = {"caller": "来电人挂机", "agent": "坐席挂机", "hotline": "系统结束", "unknown": "结束原因不明"}
LISTENING_TROUBLE = {
    "no_model": "没有语音模型",
    "no_language": "没有这种语言的语音模型，这一路不转写",
    "overloaded": "语音识别过载，这一路暂不转写",
    "tap_failed": "没有取到这一路的声音",
    "stalled": "语音识别停滞",
}
ROLE_NAMES = {
    "agent": "坐席",
    "supervisor": "班长",
    "unit_clerk": "信息采编员",
    "auditor": "审计员",
    "telecom_admin": "通信管理员",
}
_INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Co", "Cs"}


def visible(text: str) -> str:
    """`text` for one line, with every character that shows nothing or turns the writing direction made visible.

    Control characters become their Unicode pictures (CR: ␍), others their code in brackets (U+202E: [202E]).
    """
    if text.isprintable():
        return text
    return "".join(_picture(c) if unicodedata.category(c) in _INVISIBLE else c for c in text)


def _picture(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"[{code:04X}]"


def clock(at: datetime | None, timezone: ZoneInfo) -> str:
    """Hours, minutes, seconds where the hotline is: 14:03:07."""
    return at.astimezone(timezone).strftime("%H:%M:%S") if at else ""


def day_and_clock(at: datetime | None, timezone: ZoneInfo) -> str:
    """Month, day, hours and minutes where the hotline is: 07-16 14:03."""
    return at.astimezone(timezone).strftime("%m-%d %H:%M") if at else ""


def full_time(at: datetime | None, timezone: ZoneInfo) -> str:
    """Date and time where the hotline is: 2021-07-16 14:03:07."""
    return at.astimezone(timezone).strftime("%Y-%m-%d %H:%M:%S") if at else ""


def duration(seconds: float) -> str:
    """Minutes and seconds, 3:07; from an hour on with hours, 1:03:07."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def percent(confidence: float | None) -> str:
    """A confidence of 0-1 as whole per cent; empty when there is none."""
    return "" if confidence is None else f"{round(max(0.0, min(1.0, confidence)) * 100)}%"
