"""What happened and what the caller wants done: the event and the demand, in the caller's own words.

Greetings and announcements (你好我想反映一下) are left out. Where a recogniser sets no punctuation one utterance is
one clause; a demand inside it is cut off from the event.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from routing.jurisdiction import Jurisdiction
from routing.reading.matter_words import danger_words, matter_words
from routing.reading.places import phrases_in
from routing.reading.spoken import GAP, Heard, clauses, of_caller, plain, readable


@dataclass(frozen=True)
class StatementHeard:
    """A statement as the ticket holds it; the words that marked it; the utterances it was taken from."""

    value: str
    words: tuple[str, ...]
    utterances: tuple[int, ...]
    confidence: float


@dataclass(frozen=True)
class _Clause:
    said: Heard
    event: str
    demand: str
    cue: str
    weight: float
    words: tuple[str, ...]


MAX_CHARACTERS = 300
"""A summary that is longer than this is none; the transcript has the rest."""

SUMMARY = 120
"""So long a summary should be; clauses that name no matter are left out beyond it."""

_MAX_CLAUSES = 6
_SMALL_WORDS = 4
_LONG, _LONG_STORY, _ABOUT_IT = 14, 60, 24
_WORTH_TELLING = 5
"""A clause so long tells something; a question inside a longer one takes so much around it."""
_FILLER = (
    r"喂(?![狗猫猪鸡养流])|你好|您好|哎|诶|嗯|啊|呀|呃|哦|那个|这个|就是|是这样|这样|是的|对(?![面方门于着不])|好的|不好意思|打扰了?|你们好|大家好|"
    rf"话务员|同志|美女|请问(?:一下)?|请教(?:一下)?|(?:12345|十?[一二三四五]{{3,5}})?(?:市民|政府)?热线|{GAP}"
)
_GREETING = re.compile(rf"^(?:{_FILLER})+")
_BYE = r"谢谢(?:你们?|您)?|再见|拜拜|辛苦了"
_CLOSING = re.compile(rf"(?:{_BYE}|麻烦(?:你们?|您)?了|好吗|行吗|可以吗|好不好|[吧呢啊呀哈吗])+$")
_CLOSING_IN_DEMAND = re.compile(rf"(?:{_BYE}|[啊呀哈])+$")
_LOOSE_END = re.compile(r"(?:但是|所以|然后|而且|还有|就是|因为|那|我们?|你们?)+$")
_WANTS = r"(?:我们?|本人)?(?:是)?(?:想要|想|要|来|打电话)?(?:来|跟你们?|向你们?|跟您|向您)?"
_AFTER_LEAD = r"(?:一下|下)?(?:一个|一件|个|件)?(?:问题|事情|情况|事)?(?:就是|是|关于|说)?"

_QUESTION = re.compile(
    r"需要什么|要什么(?:材料|手续|条件)|是什么|怎么(?:弄|申请|处理|查|交|报|才|收|领|补|退|换|算|走|去|开|转|买|申报|投诉|预约|备案|认定|缴|样才)|"
    r"怎么办(?!怎么办|啊?$|我们|他)|什么(?:材料|手续|条件|流程|证件|资料|时候能办)|带[^，。,.]{0,4}什么|去哪里?(?!了)|(?<!家)在哪里?(?!啊?$)|"
    r"哪里(?:有|能|可以|办|领|买)|哪个(?:部门|单位|电话|窗口|地方)|找谁|找哪|归谁|谁来|由谁|要谁|多少钱?(?!人|年|天|次)|几点|几号|能不能办|可不可以办|"
    r"有没有(?:补贴|政策|规定|救灾|补助|什么)|电话号?码?是?多少|(?:合法|违法|犯法|合规)吗|合不合法|合不合理|算不算|"
    r"(?:可以|能|能够|要|用)[^，。,.了]{1,18}[吗么]|([\u4e00-\u9fff])不\1(?:能|用|可以|需要|要|会|给|让|发|退|赔|办|管|还)|[发退赔给]不[发退赔给]|还是分开|怎么还没|到底[^，。,.]{0,6}[哪谁怎什几]"
)
_URGED = re.compile(r"[^，。,.]{2,12}(?:嘛|呗)$")
_WHO = (
    r"他们|她们|人家|他|她|你们|派出所|城管|物业|学校|老板|房东|环卫|警察|交警|社区|村里|村委会|执法队?|有关部门|相关部门|政府|公司|厂家|"
    r"商家|店家|医院|银行|运营商|人(?=来|去|过来)|领导"
)
_DO = (
    r"来|去|过来|派|修|清|拆|查|管|催|处理|解决|想(?:个|想|点)?办法|协调|安排|帮|给|把|建|装|砌|画|换|补|退|赔|还|停|关|移|搬|赶|砍|剪|"
    r"劝|打|通知|联系|恢复|公开|答复|回复|落实|督促|加强|增加|调|看看|看一下|问问|问一下|快|赶紧"
)
_DEMAND = re.compile(
    r"要求|希望|请求|恳请|恳求|求求?你们|拜托|(?<![很太真添找])麻烦(?!你们?[替帮给]我保密)(?:你们?|您|政府|帮|尽快|处理|派|来|安排|给|一下)|"
    r"请(?:你们|您|相关|政府|有关|帮|尽快|安排|派|处理|来|协调|给|马上|赶紧|督促|求)|能不能|可不可以|能否|可否|行不行|好不好(?=帮|派|给|把)|"
    r"能帮|帮我们?(?![^，。,.]{0,6}了)|帮忙|帮帮|帮他|帮她|"
    r"尽快|赶紧|赶快|快点|快来|快派|马上(?:来|派|处理|修|过来|解决|恢复|清|给)|什么时候(?!开始|就|被|的)|多久(?:能|可以|才)|派(?:个|人|车|一)|过来(?:看|处理|修)|"
    r"(?:来)?(?:处理|解决|修|查|管|催|调解|协调|核实|了解|看|清理|检查)(?:处理|解决|修|查|管|催)?一下|(?:管管|查查|看看|修修|催催|管一管|查一查|劝劝|打打药|救救)|"
    rf"建议|最好(?:能|是|把|给|有)?|应该(?:增加|安装|加强|取消|给|把|有(?=个|人|一|条|点|更))|你们(?:要|得|应该|必须|就|快|赶紧|能|也|多)?(?:{_DO})(?!不管|[^，。,.]{{0,6}}了(?!$|[吧啊])|到|过)|"
    rf"(?:我们?|俺)(?:就|只|就是|还)?要(?:他|她|他们|她们|你们|人家|对方|老板|店家|商家|物业|学校|公司|那个|那家|把)[^，。,.了]{{0,8}}?(?:{_DO}|道歉|填|讲清楚|说清楚|认|担|负责|交代|拿|要回)|"
    r"(?:来|去|帮|叫人|派人|给我们?)[^，。,.了]{0,3}?[\u4e00-\u9fff]一下(?![子午])|"
    r"(?:我们?|俺们?)(?:就是|就|只|只是)?(?:想|要|得)(?:要)?(?:退|赔|求|报名|报销|告|换|查|办|申请|批|收回|领|补|开|落户|找回|把|让|请|拿回|讨|参加|一个说法|个说法|说法|学校|公司)|"
    r"(?:^|[^我不老])想(?:让|请|把|要回|批|报名|申请|换|领|退)|讨个?说法|要个?说法|给个?说法|给说法|给个答复|得给|必须(?:给|把|赔|退|处理|拆)|"
    rf"(?<![板师生东主司家方理])(?:让|叫)(?:{_WHO})(?!不|没|都|还)|"
    r"(?<![他她家主板东])把[^，。,.了]{1,14}?(?:退给|还给|退还|赶出(?!来了|去了)|拆掉|拆了$|搬走|移走|拉走$|清走|清掉|清理|修好|换掉|要回|处理掉|处理好|修一下|弄走|弄好|关掉|砍掉)(?!了)|"
    r"(?:砌|建|装|加|画|补|挖|盖|设|立|放|摆|通|开)(?:个|一个|几个|条|一条|上|点)[^，。,.了]{1,8}(?:嘛|吧|呗|好了)"
)
_NOTHING = re.compile(
    r"^(?:没有|没了|好的?|是的?|对的?|嗯|行|可以|不用了?|不是|没错|确认|知道了|明白|[\d零一二三四五六七八九幺两十])*$"
)
_DIGITS = r"[零〇一二三四五六七八九幺两\d]"
_READ_OUT = re.compile(_DIGITS)
_CONTACT = re.compile(
    r"(?:[我俺]姓[\u4e00-\u9fff]{1,2}?)?(?:[我俺]的?)?(?:联系)?(?:电话|手机|号码|打我|打给我|打)(?:号码?|你?记一下|就是|是|你记|的)*"
    rf"{_DIGITS}[{_DIGITS[1:-1]}\s\-]{{5,}}"
)
"""A number belongs into its own field: a summary goes to people who need not call the caller."""
_INTRODUCES = re.compile(r"(?<=[\u4e00-\u9fff]{6})(?:[我俺]姓|[我俺]叫|免贵姓)[\u4e00-\u9fff]{1,4}$")
_ABOUT_CALLER = re.compile(
    r"^(?:我|我们|免贵)?(?:姓|叫|的(?:电话|手机|号码|名字)|住|电话|手机)|^(?:电话|手机|号码|联系方式|地址|姓名|名字)|匿名|保密"
)


def event_of(utterances: Sequence[Heard], jurisdiction: Jurisdiction) -> StatementHeard | None:
    """What happened: the clauses that speak of a matter or of danger, else the first that says anything."""
    parts = [part for heard in of_caller(utterances) for part in _clauses_of(heard, jurisdiction)]
    telling = [part for part in parts if part.event and part.weight > 0]
    # The heaviest few, and beside them what is short enough to be told too; in the order in which they were said.
    chosen = sorted(telling, key=lambda part: -part.weight)[:_MAX_CLAUSES]
    length = sum(len(part.event) for part in chosen)
    for part in parts:
        if part.weight == 0 and len(part.event) >= _WORTH_TELLING and length + len(part.event) <= SUMMARY:
            chosen.append(part)
            length += len(part.event)
    if not chosen:
        chosen = [part for part in parts if len(part.event) >= _WORTH_TELLING][:1]
    ordered = _without_repetition([part for part in parts if part in chosen])
    heaviest = max((part.weight for part in ordered), default=0)
    confidence = 0.8 if heaviest >= 1 else 0.6 if heaviest else 0.4
    if not ordered:
        return None
    words = tuple(dict.fromkeys(word for part in ordered for word in part.words))
    return StatementHeard(
        "；".join(part.event for part in ordered)[:MAX_CHARACTERS],
        words or tuple(piece for part in ordered for piece in part.event.split("…")),
        tuple(dict.fromkeys(part.said.number for part in ordered)),
        confidence,
    )


def demand_of(utterances: Sequence[Heard], jurisdiction: Jurisdiction) -> StatementHeard | None:
    """What the caller wants done or wants to know: the last two different demands at most."""
    asked: dict[str, _Clause] = {}
    for heard in of_caller(utterances):
        for part in _clauses_of(heard, jurisdiction):
            if part.demand:
                asked.pop(part.demand, None)
                asked[part.demand] = part
    if not asked:
        return None
    chosen = list(asked.values())[-2:]
    return StatementHeard(
        "；".join(part.demand for part in chosen)[:MAX_CHARACTERS],
        tuple(dict.fromkeys(part.cue for part in chosen)),
        tuple(dict.fromkeys(part.said.number for part in chosen)),
        0.8,
    )


def _without_repetition(parts: list[_Clause]) -> list[_Clause]:
    """Callers repeat themselves: a clause that is inside another one adds nothing."""
    kept: list[_Clause] = []
    for part in parts:
        if any(part.event in other.event for other in kept):
            continue
        kept = [other for other in kept if other.event not in part.event]
        kept.append(part)
    return kept


@lru_cache(maxsize=4096)
def _clauses_of(heard: Heard, jurisdiction: Jurisdiction) -> tuple[_Clause, ...]:
    return tuple(
        clause for text in clauses(plain(heard.text)) if (clause := _clause(heard, text, jurisdiction)) is not None
    )


def _clause(heard: Heard, text: str, jurisdiction: Jurisdiction) -> _Clause | None:
    told = _without_ceremony(text, jurisdiction)
    if not told or _NOTHING.match(told):
        return None
    event, demand, cue = told, "", ""
    question, asked = _QUESTION.search(told), _DEMAND.search(told)
    if question and not (asked and asked.start() < question.start() and len(told) > _LONG):
        # A question is asked as a whole: what it is about and what is wanted of it are one clause.
        demand, cue = _asked_part(told, question), question.group()
        event = told if len(told) >= _LONG or matter_words(jurisdiction, told) else ""
    elif asked:
        event, demand, cue = told[: asked.start()], told[asked.start() :], asked.group()
        if _tells_more(told, event, jurisdiction):
            # "尽快清运垃圾": the matter is named in the demand, or goes on after it.
            event = told
    elif urged := _URGED.search(told):
        demand = cue = urged.group()
    found = matter_words(jurisdiction, event)
    dangers = [danger for danger in danger_words(jurisdiction, event) if not danger.alike]
    names_matter = any(not word.is_hint for one in found for word in one.payloads) or bool(dangers)
    about_caller = len(_READ_OUT.sub("", event)) <= _LONG and _ABOUT_CALLER.search(event)
    if not names_matter and (about_caller or _is_only_a_place(event, jurisdiction)):
        event = ""
    weight = 0.0
    if event:
        weight = sum(0.3 if all(word.is_hint for word in one.payloads) else 1.0 for one in found)
        weight += sum(danger.weight for danger in dangers)
    words = tuple(dict.fromkeys([*(one.phrase for one in found), *(danger.phrase for danger in dangers)]))
    return _Clause(
        heard,
        readable(_LOOSE_END.sub("", _CLOSING.sub("", _CONTACT.sub("", event)))),
        readable(_CLOSING_IN_DEMAND.sub("", _INTRODUCES.sub("", _CONTACT.sub("", demand)))),
        cue,
        weight,
        words,
    )


def _asked_part(told: str, question: re.Match[str]) -> str:
    """The question with what it is about; of a long story only its end."""
    if len(told) <= _LONG_STORY:
        return told
    start = max(0, question.start() - _ABOUT_IT)
    return told[start : question.end() + _ABOUT_IT]


def _tells_more(told: str, event: str, jurisdiction: Jurisdiction) -> bool:
    """Whether a clause tells of the matter only with its demand, not by what stands before it."""
    named, before = (
        {one.phrase for one in matter_words(jurisdiction, text) if not all(word.is_hint for word in one.payloads)}
        | {danger.phrase for danger in danger_words(jurisdiction, text) if not danger.alike}
        for text in (told, event)
    )
    return bool(named - before) or (len(event) < _LONG <= len(told) - len(event))


def _is_only_a_place(text: str, jurisdiction: Jurisdiction) -> bool:
    """Whether a clause answers "where": a correction of the place, or the place and a few small words."""
    phrases = phrases_in(jurisdiction, text)
    rest = len(text) - sum(len(phrase.words) for phrase in phrases)
    if any(phrase.denied or phrase.instead for phrase in phrases):
        return rest <= _LONG
    return bool(phrases) and rest <= _SMALL_WORDS


def _without_ceremony(text: str, jurisdiction: Jurisdiction) -> str:
    opening, ending = _leads(jurisdiction)
    for _ in range(3):
        shorter = opening.sub("", _GREETING.sub("", text))
        if shorter == text:
            break
        text = shorter
    text = _CLOSING_IN_DEMAND.sub("", text)
    return ending.sub("", text).strip(GAP)


@lru_cache(maxsize=8)
def _leads(jurisdiction: Jurisdiction) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What announces a matter at the beginning (我想反映一下) and after it (我要投诉)."""
    leads = sorted({lead for intent in jurisdiction.intents for lead in intent.leads}, key=len, reverse=True)
    if not leads:
        return re.compile(r"(?!)"), re.compile(r"(?!)")
    any_lead = "|".join(map(re.escape, leads))
    return (
        re.compile(rf"^{_WANTS}(?:{any_lead}){_AFTER_LEAD}"),
        re.compile(rf"(?:我们?|本人)(?:就是|是)?(?:想要|想|要|来)(?:{any_lead})(?:一下|他们?|你们)?$"),
    )
