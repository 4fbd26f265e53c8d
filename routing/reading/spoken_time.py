"""When it was: spoken times resolved against the time of the call, in the jurisdiction's timezone.

"昨天晚上" becomes "2026-11-20 夜间", "两天了" becomes "2026-11-19 起". What cannot be resolved (很久, 每天晚上) is
kept as said: a made-up date would be worse. What says most wins over what says less; opening hours that are asked
for and appointments to come are no times of an event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from routing.reading import festivals
from routing.reading.spoken import Heard, plain
from routing.reading.spoken_numbers import COUNT, count, digit


@dataclass(frozen=True)
class TimeHeard:
    """`value` as the ticket holds it, the words as they were said."""

    value: str
    words: tuple[str, ...]
    utterances: tuple[int, ...]
    confidence: float


@dataclass(frozen=True)
class _Reading:
    start: int
    words: str
    value: str
    worth: float
    denied: bool
    instead: bool
    only_day: bool
    only_clock: bool


_DAYS = {
    "大前天": -3,
    "前天": -2,
    "前日": -2,
    "前儿": -2,
    "昨天": -1,
    "昨日": -1,
    "昨儿": -1,
    "寻日": -1,
    "尋日": -1,
    "琴日": -1,
    "今天": 0,
    "今日": 0,
    "今儿": 0,
    "明天": 1,
    "明日": 1,
    "后天": 2,
}
_SHORT_DAYS = {"前": -2, "昨": -1, "寻": -1, "尋": -1, "琴": -1, "今": 0, "明": 1}
_PARTS = {
    "凌晨": "凌晨",
    "清晨": "早上",
    "早晨": "早上",
    "大清早": "早上",
    "一大早": "早上",
    "一早": "早上",
    "早上": "早上",
    "头晌": "上午",
    "前晌": "上午",
    "晌午": "中午",
    "后晌": "下午",
    "半晌午": "上午",
    "半上午": "上午",
    "半下午": "下午",
    "天没亮": "凌晨",
    "天不亮": "凌晨",
    "天还没亮": "凌晨",
    "天刚亮": "早上",
    "天快黑": "傍晚",
    "天刚黑": "傍晚",
    "天擦黑": "傍晚",
    "吃过晚饭": "夜间",
    "吃完晚饭": "夜间",
    "晚饭后": "夜间",
    "前半夜": "夜间",
    "后半夜": "凌晨",
    "下半夜": "凌晨",
    "早": "早上",
    "上午": "上午",
    "中午": "中午",
    "午后": "下午",
    "下午": "下午",
    "傍晚": "傍晚",
    "晚上": "夜间",
    "夜里": "夜间",
    "夜间": "夜间",
    "夜晚": "夜间",
    "三更半夜": "夜间",
    "大半夜": "夜间",
    "半夜": "夜间",
    "深夜": "夜间",
    "晚": "夜间",
    "夜": "夜间",
}
_NEXT_MORNING = ("后半夜", "下半夜")
"""昨天后半夜 is the small hours of the day after."""
_BEGINS = {"凌晨": 0, "早上": 5, "上午": 8, "中午": 11, "下午": 12, "傍晚": 17, "夜间": 18}
"""The hour from which a part of today may already be meant."""
_WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6}
_WEEKS = {"上上": -2, "上": -1, "这": 0, "本": 0, "下": 1}
_UNITS = {"分钟": "minute", "小时": "hour", "钟头": "hour", "天": "day", "星期": "week", "礼拜": "week", "周": "week",
          "月": "month", "年": "year"}  # fmt: skip
_YEARS = {"今年": 0, "去年": -1, "前年": -2, "明年": 1}

_NUMBER = COUNT.removesuffix("+") + "{1,7}"
"""Numbers of times are short; without a bound a long row of digits would be read from each of its digits to its end."""
_LONG_PARTS = "|".join(sorted((part for part in _PARTS if len(part) > 1), key=len, reverse=True))
_SOME = rf"(?:{_NUMBER}[几来]?|大半|小半|好几|几|好多|好些)"
_UNIT = "分钟|小时|钟头|天|星期|礼拜|周|月|年"
_MINUTE = rf"(?P<minute>半|一刻|三刻|{_NUMBER}分?)"
_CLOCK = rf"(?P<hour>{_NUMBER})(?:点|时(?!候|间|不时))(?P<bare>钟)?{_MINUTE}?(?P<about>多|左右|前后|许)*"
_NOT_A_CLOCK = r"(?!意见|建议|要求|问题|原因|不同|儿|事)"
_THAT_DAY = r"(?:那天|当天|那一天|那日)?的?"
_OF_DAY = rf"(?P<part>{_LONG_PARTS}|晚(?=自习|饭|会))?(?:的?(?P<later>{_LONG_PARTS}))?的?(?:{_CLOCK}{_NOT_A_CLOCK})?"

_ANY_WEEKDAY = "(?:周|星期|礼拜)[一二三四五六日天末]"
_WEEKDAYS_SAID = re.compile(
    rf"(?:上个?|这个?)?{_ANY_WEEKDAY}(?:和|跟|、|到|至|还是|或者?是?)?(?:上个?|这个?)?{_ANY_WEEKDAY}的?(?:{_LONG_PARTS})?|"
    rf"(?<![上这个]){_ANY_WEEKDAY}(?=最|都会|都要|都有)"
)
"""Several days of a week, or one that is every such day: no date."""
_RECURRING = re.compile(
    rf"(?:(?<![今昨前明后])天天|三天两头|隔三差五|时不时|每天|每晚|每个?(?:星期|礼拜|周)[一二三四五六日天末]|每逢|每到|一到|到了)的?(?:周末|(?:{_LONG_PARTS}))?"
    rf"(?:{_NUMBER}点(?:钟|半|多)*)?|(?:经常|总是|老是|常常|时常)(?:{_LONG_PARTS})(?:{_NUMBER}点(?:钟|半|多)*)?"
)
_VAGUE = re.compile(
    r"最近(?:这?几天|这段时间|一段时间|半年|几个月)?(?!的)|[近这前那](?:几|些)天|这两天|近期|近来|[前这那]一?阵子|[前这那]一?段时间|"
    r"[这近][几两]个(?:月|星期|礼拜)|这半年|一天到晚|整天|整晚|整夜|一整天|一整晚|有一段时间|有一阵子|好一阵子|长期|早几天|前些日子|这些日子|近[两几]年|前几年|这[两几]年|好些年|好多年|(?<![百千十几\d])多年来?(?!轻|龄)|暑假|寒假|后半夜|(?<![\d一二两三四五六七八九十几多半百千])年[前后]|上半年|下半年|"
    r"上个?学期|这个?学期|放学(?:的?时候|时)|上下班的?时候|下班的?时候|今年以来|入夏以来|入冬以来|"
    rf"(?:上次|上回|那次)?(?:刮|来)?台风(?:那天|那晚|天|的时候|来的时候)(?:{_LONG_PARTS})?|上次台风|天(?:还)?(?:不|没)亮|天刚亮|天一黑|天黑以?后|"
    r"很久|好久|许久|很长一?段?时间|好长一?段?时间|老长时间"
)
_JUST_PAST = re.compile(
    rf"(?:(?:打从|自从)?过了|刚过完?|过完)(?:{festivals.NAMES}|年(?![前后代级]))|(?:{festivals.NAMES})刚?过完?(?=的|没|$|[一二三四五六七八九十\d])"
)
_DAY_TIME = re.compile(
    rf"(?:(?P<day>{'|'.join(_DAYS)})个?的?|(?P<short>[前昨寻尋琴今明])(?P<shortpart>早|晚|夜|晨)(?:上)?){_OF_DAY}"
)
_FESTIVAL = re.compile(
    rf"(?P<year>今年|去年|前年|上个)?的?(?P<festival>{festivals.NAMES})(?:放假|假期)?(?P<exactly>那天|当天|那日|那晚)?{_OF_DAY}"
)
_MONTH_DAY = re.compile(
    rf"(?:(?:(?P<year>[\d零〇一二三四五六七八九]{{4}}年|今年|去年|前年)的?)?(?P<month>{_NUMBER})月份?的?(?P<date>{_NUMBER})(?:号|日)"
    rf"|(?P<rel>这个月|本月|上个月|上月|上上个月)的?(?P<reldate>{_NUMBER})(?:号|日)"
    rf"|(?<![第\d一二三四五六七八九十])(?P<only>{_NUMBER})(?:号|日)(?=那|当天|早上|上午|中午|下午|晚上|凌晨|半夜|傍晚|就|开始|到现在|的时候))"
    rf"{_THAT_DAY}{_OF_DAY}"
)
_WEEKDAY = re.compile(
    rf"(?:(?P<week>上上|上|这|本|下)个?|(?<![每几一两二三四五六七八九十半\d个上这下本]))(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天])"
    rf"(?!直|共|定|些|样|个|边|楼|层|[日天六]){_THAT_DAY}{_OF_DAY}"
)
_PART_CLOCK = re.compile(rf"(?P<part>{_LONG_PARTS})的?(?P<later>{_LONG_PARTS})?的?{_CLOCK}{_NOT_A_CLOCK}")
_BARE_CLOCK = re.compile(rf"(?<![一二两三四五六七八九十\d几有这那早晚快慢差]){_CLOCK}{_NOT_A_CLOCK}")
_AGO = re.compile(
    rf"(?P<half>半)?(?P<count>{_SOME})?个?(?P<more>多|半)?(?P<unit>{_UNIT})多?(?:之前|以前|前)(?!面|后|台|门|边)"
)
_FORMER = re.compile(r"[前头](?P<count>[两俩])个?(?P<unit>天|星期|礼拜|周|月|年)(?![内左])")
_HOW_LONG = (
    rf"(?<!第)(?:(?P<half>半)个?|(?P<count>{_SOME})(?P<of>个)?|(?P<about>个把))(?P<more>多|半|来)?(?P<unit>{_UNIT})多?"
)
_ANSWERED_LONG = re.compile(rf"^(?:嗯|啊|哦|有|都|也|快|大概|差不多)*{_HOW_LONG}(?=(?:了|吧|啊|呀|呢|的)*$)")
"""An answer to how long it has been."""
_LASTING = re.compile(
    rf"{_HOW_LONG}(?=了|没|不(?!给退)|都|还|也|一直|仍|无(?!理由)|未|连|以来|老(?![板师人婆公])|总|天天|根本|愣|硬)"
)
_LASTED = re.compile(
    rf"(?:(?<=了|快)|(?<=已经|已有|将近|超过|足足|整整)){_HOW_LONG}"
    r"(?!的|才|亏|挣|赚|工资|房租|租金|钱|定金|水费|电费|社保|押金|内|之内|以内|假|前|后|级|房)"
)
_RELATIVE_MONTH = re.compile(
    rf"(?:上上个?月|上个?月|这个月|本月)(?:底|初|中旬|上旬|下旬|末)?|(?:去年|前年|今年)(?:年底|年初|年中|年尾|底|初)?(?![才刚都已经快]*{_NUMBER})|"
    r"上上个?(?:星期|礼拜|周)|上个?(?:星期|礼拜|周)(?!末)|这个?(?:星期|礼拜|周)(?!末)|上个?周末|上(?:星期|礼拜)末|这个?周末|周末"
)
_MONTH = re.compile(
    rf"(?:(?P<year>今年|去年|前年|明年)的?(?P<named>{_NUMBER})月份?|(?<![\d个年一二三四五六七八九十])(?P<month>{_NUMBER})月份?(?![\d一二三四五六七八九十日号的]))"
    r"(?:底|初|末|中旬|上旬|下旬|的时候)?"
)
_NOW = re.compile(
    r"刚才|刚刚|刚(?=给我|听到|看到|接到|发生|停[水电]|着火|撞|打起来)|(?<!到)现在(?!的)|目前|正在|这会儿|此刻"
)
_ONLY_PART = re.compile(_LONG_PARTS)

_BEFOREHAND = re.compile(r"(?:之前|以前|前)(?!后|面)")
_AFTERWARDS = re.compile(r"过后|之后|以后|后(?!面)")
_SINCE = re.compile(r"(?:就|才|那天)?(?:开始|起(?!来)|一?直?到现在|一?直?到今天|至今|以来)")
_DENIED = re.compile(r"(?<!是)不是$")
_NO_FIRST = re.compile(r"(?:嗯|啊|哦|诶)*(?:不是|不对)")
_INSTEAD = re.compile(
    r"(?:不对|说错了?|讲错了?|记错了?|搞错了?|哦不|啊不|不是不是|(?<!是)不是(?=是)|应该是)[是在啊呀我]{0,3}$"
)
_GOES_ON = re.compile(r"还|也还|仍|都还|到现在|又来|还没")
_PREVIOUS = re.compile(
    r"[^，。,.]{0,8}?(?:打过|打了[^，。,.]{0,3}电话|反映过|投诉过|报修过|报过|打电话(?:反映|投诉|说)|说要|答应|承诺|说好|就报修|就反映)"
)
_REPORTED = re.compile(r"[^，。,.]{0,4}?打了[一两二三四几]次")
"""An earlier call about it is no time of the event."""
_HOURS = re.compile(r"[^，。,.]{0,6}?(?:上班|下班|开门|关门|营业|开放|开不开|上不上|办公|值班)")
_UNTIL = re.compile(r"(?:营业|开|开放|放|吵|闹|唱|摆|做|搞|跳|弄|卖|干)到$")
_NOT_EVEN_AT = re.compile(r"(?:了)?(?:都|还|也)(?:不|没|在)")
"""Until how late, every time."""
_TODAY_IS = re.compile(
    r"(?:都|已经|才)*(?:是)?(?:\S{1,4}号|(?:周|星期|礼拜)[一二三四五六日天])|(?:我)?(?:就)?(?:要|想|来|打)[^，。,.]{0,3}(?:说|讲|反映|投诉|问|电话|咨询|举报)|是(?:替|帮|来|想|要|给|代)"
)
"""今天 that says which day it is, or that belongs to the call."""
_TODAY = re.compile(r"今[天儿](?:都|已经|才)?(?:是)?$")
_I_DO = re.compile(r"(?:我|我们|我家|俺)[^，。,.]{0,3}$|不要$")
"""What the caller does every day is no event: 我天天打鱼从那底下过."""
_INTENDS = re.compile(r"(?:打算|准备|计划)(?:在)?$")
_NOT_OF_EVENT = re.compile(r"(?:比|每年|每年的|每个?月)$")
_BORN = re.compile(r"[^，。,.发]{0,2}(?:(?<!发)生的|出生|满\S{1,3}岁)")
_IS_TO = re.compile(r"(?:就|才)?(?:要|想|准备)")
_DONE = re.compile(r"[了过被断伤]")
_OPEN_ON = re.compile(r"(?:能不能|可不可以|能|可以|有没有|有人|开门|上班|开不开)")
_SCHOOL_OUT = re.compile(r"(?:放学|下班|上班|上学|开门|关门|一班)")
"""A time that is compared with, or comes every year or day, or is a birthday or still to come."""
_BY_NOW = re.compile(r"(?:都|已经|现在)(?:是|到|快)*$")
_ASKS = re.compile(r"几点|吗|么$|是不是|有没有|开不开|上不上|什么时候|请问|能不能|可不可以")
_PLANS = re.compile(
    r"能办|办理|能不能|可不可以|可以|会不会|上班|开门|营业|预约|希望|之前|处理|修好|答复|回复|解决|过去|过来|给我|再打|再来|要交|去办|来办|"
    r"下雨|天气|想去|要去|有没有|还有|考试|报名|截止"
)
_HAPPENED = re.compile(r"(?<!不)[了过](?!不)|被|突然|看到|发现|听到|[一有](?:个|人|辆|台)|[走停来撞打摔断坏掉丢偷生]的")
_ASKS_OF_PART = re.compile(r"(?:几点|有没有|能不能|可不可以|开不开|休息|也|上不上|还开|有人吗)")
_HABIT = re.compile(r"每|天天|经常|老是|总|一直|长期|一到|睡不着|[都又也]|不敢|还在|怕|睡觉|根本|能不能|可以")
_A_WHOLE = re.compile(r"(?:一个?|整个?|白天|大|几个)$")
_IN_GENERAL = re.compile(r"(?:很|太|黑|不敢|没法|看不|危险|不亮|好黑|更|出门|走路)")
_ONLY_WHEN = re.compile(rf"(?:每逢|每到|一到|到了)的?(?:{_NUMBER}点(?:钟|半|多)*)?")
_ASKED_WHEN = re.compile(r"几点|什么时间|什么时候|哪个时候|上午还是|早上还是|具体时间")

_LIVED = re.compile(
    r"(?:(?:打工|怀孕|怀|住|租|种|干|做|养|开|教|当|工作|结婚|生活|嫁过来|少算|算|排|盖)了?|(?:差|签|判|缴|打|学|上|交|签|活|用|买|卖|嫁|拉|烧|跑|超|大)了)(?:都|有|快|已经|将近|也)*$"
)
_LAST_MONTH = re.compile(r"上个?月")
_NOW_IS_WHEN = re.compile(
    r"[^，。,.不]{0,4}?(?:堵|着火|起火|停水|停电|没水|没电|有人|正|冒|漏|躺|倒在|淹|断|烧(?!开)|吵)"
)
_NO_YEAR_OF_EVENT = re.compile(r"的|怎么|办的|才|什么时候|冬天想|春节|[^，。,.]{0,3}(?:岁|大了)")
_MEANS_TO_GO = re.compile(r"(?:我|我们)?(?:想|要|打算|准备|能不能|可以|可不可以)[^，。,.]{0,4}(?:去|来|办|预约)")
_BEFORE_IT_CAN = re.compile(r"(?:之前|以前|前)[^，。,.]{0,2}(?:能|可以|要|会|给|想)")
_FESTIVAL_AHEAD = re.compile(r"(?:还|就|又)?要|回家|回去|回老家|(?:之前|以前|前)[^，。,.]{0,4}(?:吗|么)")
_SOON = re.compile(r"(?:快|快到|马上|马上就|准备|就要|快要|要|等|等到|回家|回去|今年)$")
_RETURNS = re.compile(r"无理由|不给退|包退|可退|内")
_PROMISED = re.compile(r"(?:说好|答应|承诺|约定|原定|说是|保证)(?:了|在|到|是)*$")
_EVENT_YEARS = 8
_LARGE, _LARGE_YEARS = 1000, 100
"""More of a unit than this is no time that somebody meant."""
_BEHIND = 16
"""So many characters before a time can say what it is."""
_TOLD_OFF, _STILL = 0.3, 0.35


def time_of(utterances: Sequence[Heard], called_at: datetime) -> TimeHeard | None:
    """The time of the event, or None. `called_at` carries the jurisdiction's timezone."""
    found: list[tuple[Heard, _Reading]] = []
    asked = False
    named: tuple[_Reading, ...] = ()
    for heard in utterances:
        if heard.speaker != "caller":
            asked = bool(_ASKED_WHEN.search(plain(heard.text)))
            named = _readings(plain(heard.text), called_at)
            continue
        told = _readings(plain(heard.text), called_at)
        if named and _NO_FIRST.match(plain(heard.text)):
            # "是昨天的事吗" "不是前天晚上": this 不是 is the answer and takes nothing back that the caller names.
            asked_about = {one.value for one in named}
            told = tuple(
                replace(one, denied=False, instead=True) if one.denied and one.value not in asked_about else one
                for one in told
            )
        readings = [reading for reading in told if not reading.denied]
        if asked and found and readings and readings[0].only_clock:
            # "前天" … "几点" "晚上七点半": the hour of the day that was named before.
            joined = _joined(found, readings[0], called_at)
            if joined is not None:
                found.append((heard, joined))
        found.extend((heard, reading) for reading in readings)
        asked, named = False, ()
    if not found:
        return None
    corrected = [one for one in found if one[1].instead]
    heard, best = corrected[-1] if corrected else max(found, key=lambda one: one[1].worth)
    return TimeHeard(best.value, (best.words,), (heard.number,), min(best.worth, 1.0))


def _joined(found: list[tuple[Heard, _Reading]], clock: _Reading, called_at: datetime) -> _Reading | None:
    days = [reading for _, reading in found if reading.only_day]
    if not days:
        return None
    together = _readings(days[-1].words + clock.words, called_at)
    if len(together) != 1:
        return None
    return _Reading(
        0, clock.words, together[0].value, 1.0, denied=False, instead=False, only_day=False, only_clock=False
    )


@lru_cache(maxsize=4096)
def _readings(text: str, called_at: datetime) -> tuple[_Reading, ...]:
    readings: list[_Reading] = []
    taken = bytearray(len(text))
    recurs = False
    for pattern, read in _KINDS:
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(taken[start:end]):
                continue
            value, worth = read(match, called_at)
            if not value:
                continue
            taken[start:end] = b"\1" * (end - start)
            if _is_no_event(match, value, called_at):
                continue
            if _SINCE.match(text, end) and not value.endswith("起") and value[:1].isdigit():
                value = value.removesuffix(" 前后") + " 起"
            if _REPORTED.match(text, end):
                continue
            if _PREVIOUS.match(text, end):
                worth -= _TOLD_OFF
            if _GOES_ON.match(text, end) and "今" in match.group():
                worth -= _STILL
            before = text[max(0, start - _BEHIND) : start]
            until = before.endswith(("到", "至"))
            if pattern in _CLOCK_KINDS and (recurs or until):
                # "每天晚上摆到三四点": the hour says how late, not which day.
                worth -= _STILL
            if until and (match.group().startswith("今") or (len(before) > 1 and taken[start - 2])):
                # "明天十二点到六点": the end of a time that was read already.
                continue
            if pattern in (_PART_CLOCK, _BARE_CLOCK) and _UNTIL.search(before):
                continue
            if pattern is _BARE_CLOCK and (until or _NOT_EVEN_AT.match(text, end)):
                continue
            recurs = recurs or pattern is _RECURRING
            readings.append(
                _Reading(
                    start,
                    match.group(),
                    value,
                    max(worth, 0.1),
                    denied=bool(_DENIED.search(before)),
                    instead=bool(_INSTEAD.search(before)),
                    only_day=pattern in _DAY_KINDS and len(value) == len("2026-11-21"),
                    only_clock=pattern in _CLOCK_KINDS,
                )
            )
    return tuple(sorted(readings, key=lambda reading: reading.start))


def _is_no_event(match: re.Match[str], value: str, called_at: datetime) -> bool:
    """Whether a time is only asked about (几点上班) or lies ahead and is wished for (明天之前处理好)."""
    text, end = match.string, match.end()
    around = text[max(0, match.start() - 40) : end + 40]
    before = text[max(0, match.start() - _BEHIND) : match.start()]
    if _HOURS.match(text, end) and _ASKS.search(around):
        return True
    if match.re is _WEEKDAY and not match["week"] and _TODAY.search(before):
        return True
    if match.re is _RECURRING and text.startswith("天天", match.start()) and _I_DO.search(before):
        return True
    if match.re is _VAGUE and (_ASKS.search(around) if value in ("寒假", "暑假") else _INTENDS.search(before)):
        return True
    if match.group() == "周末" and _ASKS.search(around):
        return True
    if match.re is _WEEKDAY and not match["week"] and _MEANS_TO_GO.match(text, end):
        return True
    if match.re is _DAY_TIME and match.group().startswith("今") and _TODAY_IS.match(text, end):
        return True
    if match.re in (_MONTH, _MONTH_DAY) and _BY_NOW.search(before) and text.startswith("了", end):
        return True
    if match.re is _FESTIVAL and not match["year"] and (_FESTIVAL_AHEAD.match(text, end) or _SOON.search(before)):
        return True
    if _PROMISED.search(before):
        return True
    ahead = value[:1].isdigit() and value[:10] > _date(called_at)[: len(value[:10])] and "至" not in value
    tonight = value.startswith(f"{_date(called_at)} 夜间") and called_at.hour < _BEGINS["夜间"]
    if match.re is _FESTIVAL and _BEFORE_IT_CAN.match(text, end):
        return True
    if (_NOT_OF_EVENT.search(before) and match.re is not _LASTING) or _BORN.match(text, end):
        return True
    if match.re is _MONTH and match["named"] and _IS_TO.match(text, end):
        return True
    if value == str(called_at.year) and _ASKS.search(around) and not _DONE.search(text[end : end + _BEHIND]):
        return True
    if match.re is _WEEKDAY and not match["week"] and _OPEN_ON.match(text, end):
        return True
    if match.re in _CLOCK_KINDS and _SCHOOL_OUT.match(text, end):
        return True
    return bool(tonight or (ahead and _PLANS.search(around)))


_Read = tuple[str, float]


def _day_time(match: re.Match[str], called_at: datetime) -> _Read:
    if match["day"]:
        day, part = called_at + timedelta(days=_DAYS[match["day"]]), match["part"]
    else:
        day = called_at + timedelta(days=_SHORT_DAYS[match["short"]])
        part = "凌晨" if match["shortpart"] == "晨" else match["shortpart"]
    return _of_day(match, day, part, 0.85)


def _of_day(match: re.Match[str], day: datetime, part: str | None, worth: float) -> _Read:
    """A day with the part of it and the hour that were said, if any: `part`, `later` (晚上…半夜) and `hour`."""
    later = match["later"]
    if part is None:
        part, later = later, None
    if match["hour"]:
        # "昨天晚上凌晨一点" is the night that began yesterday.
        return _at_clock(match, day, part if part and _PARTS[part] == "夜间" else later or part, worth + 0.1)
    if part in _NEXT_MORNING:
        return f"{_date(day + timedelta(days=1))} 凌晨", worth + 0.05
    if part:
        return f"{_date(day)} {_PARTS[part]}", worth + 0.05
    return _date(day), worth


def _part_clock(match: re.Match[str], called_at: datetime) -> _Read:
    """Without a day: the last time that it was so late."""
    value, worth = _at_clock(match, called_at, match["part"], 0.86)
    clock = _clock(match, match["part"])
    if clock is None:
        return value, worth
    moment = called_at.replace(hour=clock[0] % 24, minute=clock[1], second=0, microsecond=0)
    if moment > called_at:
        moment -= timedelta(days=1)
    return _moment(moment, match), worth


def _bare_clock(match: re.Match[str], called_at: datetime) -> _Read:
    hour = _hour(match["hour"])
    # 一点 by itself is "a little"; 两点 to 十二点 may still be points of a list, so something has to follow.
    if hour is None or not (match["bare"] or match["minute"] or match["about"] or _several(match["hour"])):
        return "", 0
    clock = _clock(match, None)
    if clock is None:
        return "", 0
    candidates = [clock[0]] if clock[0] > 12 else [clock[0] % 12, clock[0] % 12 + 12]
    moments = []
    for candidate in candidates:
        moment = called_at.replace(hour=candidate % 24, minute=clock[1], second=0, microsecond=0)
        moments.append(moment if moment <= called_at else moment - timedelta(days=1))
    return _moment(max(moments), match), 0.6


def _at_clock(match: re.Match[str], day: datetime, part: str | None, worth: float) -> _Read:
    clock = _clock(match, part)
    if clock is None:
        return (f"{_date(day)} {_PARTS[part]}" if part else _date(day)), 0.8
    hour, minute = clock
    small_hours = part is not None and _PARTS[part] == "夜间" and hour < 6
    # "昨天半夜一点" is said of the night that began yesterday; 凌晨 belongs to the day that is named.
    moment = day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
        days=1 if small_hours else 0, hours=hour, minutes=minute
    )
    return _moment(moment, match), worth - (0.15 if small_hours else 0)


def _clock(match: re.Match[str], part: str | None) -> tuple[int, int] | None:
    """Hour (24-hour) and minute; 24 is midnight at the end of the day. None when it is no time of day."""
    hour = _hour(match["hour"])
    if hour is None or hour > 24:
        return None
    half_day = _PARTS[part] if part else ""
    if half_day in ("下午", "傍晚") and hour < 12:
        hour += 12
    elif half_day == "夜间":
        if hour == 12:
            hour = 0
        elif 6 <= hour < 12:
            hour += 12
    elif half_day == "中午" and hour < 4:
        hour += 12
    said = match["minute"]
    minute: int | None = 0
    if said:
        minute = {"半": 30, "一刻": 15, "三刻": 45}.get(said) or count(said.rstrip("分"))
    if minute is None or minute > 59 or (said and minute < 10 and said[0] not in "零〇0" and not said.endswith("分")):
        # 四点九 is a mark, 十点一到 no minute.
        return None
    return hour, minute


def _several(said: str) -> bool:
    """Whether two neighbouring hours are said at once: 两三点, 十一二点."""
    return len(said) > 1 and count(said) is None and count(said[:-1]) is not None


def _hour(said: str) -> int | None:
    return count(said[:-1]) if _several(said) else count(said)


def _moment(moment: datetime, match: re.Match[str]) -> str:
    if _several(match["hour"]) and not match["minute"] and match.groupdict().get("part"):
        # "傍晚五六点": the part of the day is as much as is known.
        small_hours = moment.hour < _BEGINS["早上"]
        return f"{_date(moment)} {'凌晨' if small_hours else _PARTS[match['part']]}"
    if (match["about"] or _several(match["hour"])) and not match["minute"]:
        return f"{_date(moment)} {moment:%H}时许"
    return f"{moment:%Y-%m-%d %H:%M}"


def _month_day(match: re.Match[str], called_at: datetime) -> _Read:
    date = count(match["date"] or match["reldate"] or match["only"])
    said_year = match["year"]
    if match["rel"]:
        year, month = _months_before(called_at, match["rel"].count("上"))
    elif match["only"]:
        # "十号那天": the last such day.
        last_month = _LAST_MONTH.search(match.string[max(0, match.start() - _BEHIND) : match.start()])
        year, month = _months_before(called_at, 1 if last_month or (date or 0) > called_at.day else 0)
    else:
        month = count(match["month"]) or 0
        year = called_at.year
        if said_year:
            year = called_at.year + _YEARS[said_year] if said_year in _YEARS else _year(said_year[:4])
    try:
        day = datetime(year, month, date or 0, tzinfo=called_at.tzinfo)
        # Without a year: a date that is far ahead was last year's, one soon to come is meant.
        if match["month"] and not said_year and day - called_at > timedelta(days=180):
            day = day.replace(year=year - 1)
    except (ValueError, OverflowError):
        return "", 0
    return _of_day(match, day, match["part"], 0.7 if match["only"] else 0.85)


def _festival(match: re.Match[str], called_at: datetime) -> _Read:
    """The last one, unless a year is named: festivals are told of afterwards."""
    year = called_at.year + _YEARS.get(match["year"] or "", 0)
    day = festivals.day_of(match["festival"], year)
    if day is not None and match["year"] in (None, "上个") and day > called_at.date():
        day = festivals.day_of(match["festival"], year - 1)
    if day is None:
        return match.group(), 0.4
    moment = datetime(day.year, day.month, day.day, tzinfo=called_at.tzinfo)
    if match["exactly"] == "那晚":
        return f"{_date(moment)} 夜间", 0.75
    value, worth = _of_day(match, moment, match["part"], 0.7)
    if before := _BEFOREHAND.match(match.string, match.end()):
        return match.group() + before.group(), 0.5
    if _AFTERWARDS.match(match.string, match.end()):
        return value[: len("2026-02")], worth
    exact = match["exactly"] or match["part"] or match["hour"] or "初" in match["festival"]
    return (value if exact else f"{value} 前后"), worth


def _year(said: str) -> int:
    return int("".join(digit(character) or "0" for character in said))


def _weekday(match: re.Match[str], called_at: datetime) -> _Read:
    wanted = _WEEKDAYS[match["weekday"]]
    monday = called_at - timedelta(days=called_at.weekday())
    if match["week"]:
        day = monday + timedelta(weeks=_WEEKS[match["week"]], days=wanted)
    else:
        day = called_at - timedelta(days=(called_at.weekday() - wanted) % 7)
    return _of_day(match, day, match["part"], 0.85 if match["week"] else 0.7)


def _ago(match: re.Match[str], called_at: datetime) -> _Read:
    if not match["half"] and not match["count"]:
        return "", 0
    number, about = (0.5, False) if match["half"] else _count_of(match)
    if number is None:
        return (match.group(), 0.4) if about else ("", 0)
    value = _back(called_at, number, match["unit"])
    if (about or match["more"] == "多") and _UNITS[match["unit"]] not in ("minute", "hour"):
        return match.group(), 0.6
    return (f"{value} 前后" if about else value), 0.8


def _former(match: re.Match[str], called_at: datetime) -> _Read:
    """前两天 is said loosely: not the day before yesterday, and no date."""
    return match.group(), 0.55


def _lasting(match: re.Match[str], called_at: datetime) -> _Read:
    number: float | None
    if match["about"]:
        number, about = 1, True
    else:
        number, about = (0.5, False) if match["half"] else _count_of(match)
    around = match.string[max(0, match.start() - _BEHIND) : match.start()]
    if match["count"] and match["unit"] == "月" and not match["of"]:
        # 十一月了 is the month, 十一个月了 how long.
        return "", 0
    if (
        _LIVED.search(around)
        or match.group().startswith("四周")
        or _RETURNS.match(match.string, match.end())
        or _long_ago(match, number)
    ):
        return "", 0
    if match["half"] and match["unit"] == "天":
        # 等了半天 is a manner of speaking.
        return "", 0
    said = match.string[max(match.start(name) for name in ("half", "count", "about")) : match.end()]
    if number is None:
        return (said, 0.45) if about or match.re is _ANSWERED_LONG else ("", 0)
    nearly = match["unit"] == "年" and around.endswith("快")
    if nearly:
        return f"快{said}", 0.6
    if about or _is_loose(match) or _several(match["count"] or ""):
        return said, 0.6
    return f"{_back(called_at, number, match['unit'])} 起", 0.75


def _is_loose(match: re.Match[str]) -> bool:
    """Whether a number is only about right: 一个多星期, 半年多. A date counted from it would be made up."""
    if _UNITS[match["unit"]] in ("minute", "hour"):
        return False
    return match["more"] in ("多", "来") or match.group().endswith("多")


def _long_ago(match: re.Match[str], number: float | None) -> bool:
    """住了四十多年 and the like tell of a life, not of an event."""
    return match["unit"] == "年" and (number or 0) > _EVENT_YEARS


def _lasted(match: re.Match[str], called_at: datetime) -> _Read:
    if _UNITS[match["unit"]] in ("minute", "hour"):
        waited = match.string[max(0, match.start() - 3) : match.start()]
        if not waited.endswith(("等了", "停了", "堵了", "断了", "漏了", "已经", "将近", "超过", "足足", "整整", "快")):
            return "", 0
    value, worth = _lasting(match, called_at)
    return value, max(worth - 0.1, 0)


def _count_of(match: re.Match[str]) -> tuple[float | None, bool]:
    """The number, and whether it is only about that; None and True: several, nobody knows how many."""
    said = match["count"]
    number = count(said)
    if number is not None:
        large = _LARGE if _UNITS[match["unit"]] != "year" else _LARGE_YEARS
        return (number + (0.5 if match["more"] == "半" else 0), False) if number <= large else (None, False)
    tens = count(said[:-1])
    if said[-1] in "几来" and tens:
        return tens + (5 if said[-1] == "几" else 0), True
    first, second = count(said[-2:-1]), count(said[-1])
    neighbours = first is not None and second is not None and second - first == 1
    return None, neighbours or said in ("大半", "小半", "好几", "几", "好多", "好些")


def _back(called_at: datetime, number: float, unit: str) -> str:
    match _UNITS[unit]:
        case "minute":
            return f"{called_at - timedelta(minutes=number):%Y-%m-%d %H:%M}"
        case "hour" if number < 1:
            return f"{called_at - timedelta(hours=number):%Y-%m-%d %H:%M}"
        case "hour":
            return f"{called_at - timedelta(hours=number):%Y-%m-%d %H}时许"
        case "day":
            return _date(called_at - timedelta(days=number))
        case "week":
            return _date(called_at - timedelta(weeks=number))
        case "month" if number < 1:
            return _date(called_at - timedelta(days=15))
        case "month":
            year, month = _months_before(called_at, int(number))
            return f"{year}-{month:02d}"
        case _:
            year, month = _months_before(called_at, int(number * 12))
            return f"{year}-{month:02d}"


def _months_before(called_at: datetime, months: int) -> tuple[int, int]:
    index = called_at.year * 12 + called_at.month - 1 - months
    return index // 12, index % 12 + 1


def _relative_month(match: re.Match[str], called_at: datetime) -> _Read:
    said = match.group()
    monday = called_at - timedelta(days=called_at.weekday())
    if said.endswith("末") and "月" not in said:
        saturday = monday + timedelta(days=5)
        if saturday.date() > called_at.date() or said.startswith("上"):
            saturday -= timedelta(weeks=1)
        return f"{_date(saturday)} 至 {_date(saturday + timedelta(days=1))}", 0.78
    if said[:2] in _YEARS:
        year = called_at.year + _YEARS[said[:2]]
        if len(said) == 2 and _NO_YEAR_OF_EVENT.match(match.string, match.end()):
            return "", 0
        month = {"底": 12, "尾": 12, "初": 1, "中": 6}.get(said[-1])
        return (f"{year}-{month:02d}", 0.6) if month and len(said) > 2 else (str(year), 0.4)
    if said in ("这个月", "本月") and not _SINCE.match(match.string, match.end()):
        return "", 0
    if "月" in said:
        year, month = _months_before(called_at, said.count("上"))
        return f"{year}-{month:02d}", 0.6
    start = monday - timedelta(weeks=said.count("上"))
    return f"{_date(start)} 至 {_date(start + timedelta(days=6))}", 0.6


def _month(match: re.Match[str], called_at: datetime) -> _Read:
    number = count(match["named"] or match["month"])
    if number is None or not 1 <= number <= 12:
        return "", 0
    year = called_at.year + _YEARS[match["year"] or "今年"]
    return f"{year}-{number:02d}", 0.65


def _now(match: re.Match[str], called_at: datetime) -> _Read:
    just = match.group().startswith("刚")
    if not just and not _NOW_IS_WHEN.match(match.string, match.end()):
        return "", 0
    return f"{called_at:%Y-%m-%d %H:%M} 前后", 0.65 if just else 0.5


def _as_said(match: re.Match[str], called_at: datetime) -> _Read:
    return match.group(), 0.45


def _recurring(match: re.Match[str], called_at: datetime) -> _Read:
    said = match.group()
    # 一到 and 到了 by themselves are no time.
    return ("", 0) if _ONLY_WHEN.fullmatch(said) else (said, 0.5)


def _only_part(match: re.Match[str], called_at: datetime) -> _Read:
    """早上, 半夜 without a day: today's or last night's when something happened then; else only the words."""
    text, part = match.string, _PARTS[match.group()]
    before, after = text[max(0, match.start() - 12) : match.start()], text[match.end() : match.end() + 16]
    if before.endswith("了一") and part in ("早上", "上午", "下午"):
        # "响了一上午": this morning.
        return f"{_date(called_at)} {part}", 0.5
    if _A_WHOLE.search(before) or _IN_GENERAL.match(after):
        return "", 0
    if _ASKS_OF_PART.match(after) or before.endswith(("建议", "一个")):
        return "", 0
    deep = "半夜" in match.group() or match.group() == "夜里" or part == "凌晨"
    somebody = deep and before.endswith(("有人", "有个人"))
    if not (somebody or _HAPPENED.search(after)) or _HABIT.search(before + after):
        return (match.group(), 0.3) if deep or after.startswith(("在", "一群", "有")) else ("", 0)
    begun = called_at.hour >= _BEGINS[part]
    if deep and match.group() != "夜里":
        return f"{_date(called_at)} 凌晨", 0.58
    return f"{_date(called_at if begun else called_at - timedelta(days=1))} {part}", 0.58


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


# In this order: what says more takes its words before what says less can read a part of them.
_KINDS: Sequence[tuple[re.Pattern[str], Callable[[re.Match[str], datetime], _Read]]] = (
    (_ANSWERED_LONG, _lasting),
    (_WEEKDAYS_SAID, _as_said),
    (_RECURRING, _recurring),
    (_DAY_TIME, _day_time),
    (_JUST_PAST, _as_said),
    (_FESTIVAL, _festival),
    (_MONTH_DAY, _month_day),
    (_WEEKDAY, _weekday),
    (_PART_CLOCK, _part_clock),
    (_VAGUE, _as_said),
    (_AGO, _ago),
    (_FORMER, _former),
    (_LASTING, _lasting),
    (_LASTED, _lasted),
    (_BARE_CLOCK, _bare_clock),
    (_MONTH, _month),
    (_NOW, _now),
    (_RELATIVE_MONTH, _relative_month),
    (_ONLY_PART, _only_part),
)
_DAY_KINDS = (_DAY_TIME, _FESTIVAL, _MONTH_DAY, _WEEKDAY)
_CLOCK_KINDS = (_PART_CLOCK, _BARE_CLOCK, _ONLY_PART)
