"""How linkages are told on the pages."""

from __future__ import annotations

LINE_STATES = {
    "asked": "准备呼叫",
    "dialling": "呼叫中",
    "ringing": "振铃",
    "connected": "已接通",
    "next_number": "改拨下一号码",
    "redialling": "掉线，重拨中",
    "exhausted": "未接通",
    "taken_out": "已移出",
    "ended": "已结束",
}
OUTCOMES = {
    "dialling": "呼叫中",
    "ringing": "振铃",
    "answered": "接通",
    "busy": "忙",
    "no_answer": "无人接听",
    "congestion": "线路拥塞",
    "unavailable": "线路不可用",
    "failed": "失败",
    "dropped": "掉线",
    "cancelled": "取消",
}
PARTIES = {"caller": "来电人", "agent": "坐席", "line": "专线"}
REASONS = {"left": "主动离开", "dropped": "掉线", "taken_out": "被移出", "ended": "随联动结束", "": ""}
ASKED_BY = {
    "agent": "坐席",
    "caller": "来电人",
    "hotline": "系统（听到紧急情况）",
    "trunk": "专线转来",
    "": "不明",
    "unknown": "不明",
}
VIA = {
    "desk": "坐席台",
    "feature_code": "话机功能键",
    "digit": "按键",
    "speech": "语音",
    "dialplan": "拨号方案",
    "": "",
}
STANDINGS = {
    "works": "演练正常",
    "untested": "只试过本机回声，没有呼叫过专线",
    "failed": "演练没有接通",
    "stale": "很久没有演练",
    "never": "从未演练",
}
NOTICE_STATES = {"waiting": "未送达，重试中", "delivered": "已送达", "given_up": "没有送达", "superseded": "已有更新"}
NOTICE_KINDS = {
    "linkage.asked": "呼叫",
    "linkage.answered": "接通",
    "linkage.details": "地址和情况",
    "linkage.ended": "结束",
    "inbound.ticket": "工单编号",
    "inbound.ended": "结果",
}
REHEARSALS = {"running": "进行中", "connected": "接通", "failed": "没有接通", "interrupted": "中断"}


def alarm(kind: str, line: str, detail: str) -> str:
    """What an alarm says."""
    match kind:
        case "caller_linkage":
            return f"来电人要求紧急联动 {detail or line}，请立即接入"
        case "line_exhausted":
            told = "，已向来电人播报号码" if detail == "told_caller" else ""
            return f"{line} 所有号码均未接通{told}，请用其他电话联系"
        case "agent_dropped":
            return f"坐席 {detail} 掉线，来电人正与专线通话，请接入"
        case "emergency_key":
            return f"按了紧急键后挂断，没有接通任何人：{detail}，请立即回拨"
        case "rehearsal_failed":
            return f"{line} 演练没有接通：{detail}"
        case "notice_failed":
            return f"警情信息没有送达 {line} 台站（{detail}），请电话告知"
    return f"{kind} {line} {detail}".strip()
