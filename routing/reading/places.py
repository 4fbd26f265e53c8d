"""Where it is: places of the gazetteer in what a caller said, with what they add to them (对面, 十二号, 旁边).

The place of the matter wins over the caller's home, over places on the way and over places it is compared with. A
place that the caller takes back (不是水南，是海棠) does not count. What may be several places is to be asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from routing.jurisdiction import Jurisdiction, Place
from routing.reading.gazetteer import Mention, mentions_in
from routing.reading.spoken import Heard, plain
from routing.reading.spoken_numbers import COUNT


@dataclass(frozen=True)
class PlaceHeard:
    """A place: `value` as said (with the gazetteer's name where the sound was written otherwise), `place` the entry
    that decides the territorial unit; None when no entry was named or `candidates` has to be asked. `words` are the
    spoken words.
    """

    value: str
    place: Place | None
    words: tuple[str, ...]
    utterances: tuple[int, ...]
    confidence: float
    candidates: tuple[Place, ...] = ()


@dataclass(frozen=True)
class _Phrase:
    """A place with all that belongs to it, in one utterance; `worth`: how much it is the place of the matter."""

    place: Place | None
    value: str
    words: str
    confidence: float
    denied: bool
    instead: bool
    worth: float
    candidates: tuple[Place, ...] = ()


_FROM_CUE = 0.4
_ANSWERED = 0.85
_AMBIGUOUS_WORTH = 0.75
_SHORT_ANSWER, _BARE_ANSWER = 8, 4
_AROUND = 24
"""So many characters before and after a place can say what it is to the matter."""
_SETTLEMENTS = frozenset({"village", "community"})
_MOST_SPECIFIC = ("village", "community", "facility", "area", "big_community", "road", "district", "generic")

_FACILITY = (
    r"(?:(?:老|新|大|小)?(?:小区|花园|公寓|家园|宿舍楼?|别墅|工地|农贸市场|菜市场|市场|超市|商场|酒店|宾馆|民宿|饭店|餐厅|学校|小学|中学|"
    r"幼儿园|医院|卫生院|卫生室|卫生所|诊所|派出所|村委会|居委会|十字路口|丁字路口|三岔路口|红绿灯路口|岔路口|路口|码头|渔港|广场|公园|停车场|"
    r"加油站|养殖场|工厂|厂房|酒吧|烧烤摊|海鲜店|水果店|网吧|药店|理发店|文化室|篮球场|球场|戏台|大榕树|桥头|桥底|桥(?![塌断下])|祠堂|教堂|"
    r"海边|河边|江边|塘边|沟边|沙滩|路边|路段|主干道|街(?!灯)|巷子|巷口|村口|村道|村头|村尾|村里|公交站|车站|银行|邮局|公厕|垃圾站|"
    r"快递站|营业厅|大厦|工业园|产业园|后山|山脚|山坡|活动中心|服务中心|收费站|隧道|转弯处|拐弯处|项目部|售楼部|田里|地里|"
    r"(?<=[\u4e00-\u9fff])路(?![灯面口边段上人费况过烂塌断很都太又坏被])))"
)
_NUMBERED = rf"(?:第?{COUNT}(?:号楼|号院|号|栋|幢|座|楼|单元|室|巷|村民小组|小组|组|队|街|弄|期|区|米处))"
_DIRECTION = (
    r"(?:大门口|门口|门前|大门|对面|旁边|附近|前面|前边|后面|后边|背后|里面|外面|东边|西边|南边|北边|东侧|西侧|南侧|北侧|楼上|楼下|隔壁|"
    r"中间|交叉口|交界处|一带|方向|入口|出口|进村口|拐角|尽头|[那这]条(?:水泥路|小路|路|街|巷子|巷)|[那这]段路|[那这]一段)"
)
_NOT_IN_NAMES = (
    "的了在是有我你他她它这那没不都就又要去来到和还跟把被给让从往人个家很太好啊呢吧吗"
    "说想请问也只每什么怎为哪得因所以但而且多几两着过上下"
)
_NO_NAME = (
    "隔壁|附近|旁边|门口|农贸|一条|这条|整个|海鲜|公立|私立|人行|水泥|乡间|农村|高速|主干|柏油|大型|外面|里面|对面|楼下|楼上|民办|公办|"
    "其他|别的|各个|自己|老家|村里|路边|街边|半夜|晚上|早上|昨天|今天|反映|投诉|举报|咨询|你好|您好"
)
_NOT_IN_ROADS = "修走过绕挡堵赶迷带开让问占铺挖半马公泥土小大出村坡岔老烂道乡县进条段平养门逛扫整靠喊"
_NAMED = (
    rf"(?:(?!{_NO_NAME})(?:(?![{_NOT_IN_NAMES}])[\u4e00-\u9fff]){{2,4}}?"
    r"(?:小区|花园|公寓|家园|酒店|宾馆|民宿|超市|大厦|学校|小学|中学|幼儿园|工业园|产业园|大道|社区|村(?![民里委]))|"
    rf"(?:(?![{_NOT_IN_NAMES}{_NOT_IN_ROADS}])[\u4e00-\u9fff]){{2,3}}路(?![灯面人费况过]))"
)
_DETAIL = rf"(?:(?:的|那个|这个|那边的?|这边的?)?(?:{_FACILITY}|{_NUMBERED}|{_DIRECTION}))"
# A name may be made of other details; so it is allowed only where nothing has to match after the details.
_TAIL = re.compile(
    rf"(?:民?委会|社区|大社区|村(?![委民里口道头尾])|(?<=村)[口头尾]|(?<=路)口)?(?:{_DETAIL}|的?{_NAMED})*"
)
# No token here may be made of two others: 就在 beside 就 and 在 would cost exponential time on a stutter.
_ONLY_DETAIL = re.compile(rf"^(?:嗯|啊|哦|呃|它|就|是|在|对|那个)*({_DETAIL}+)(?:吧|呢|啊|那里|这里|这边|那边)*$")
_CHAINED = re.compile(r"^(?:的|这边的?|那边的?|这里的?|那里的?)?$")
_BETWEEN = re.compile(r"^(?:村)?(?:到|至|和|跟|与)$")
_BETWEEN_AFTER = re.compile(
    r"村?(?:的|之间|中间)*(?:那条|这条|那段|这段)?(?:的)?(?:公路|水泥路|小路|路(?!灯|口)|之间|中间|交界|交叉|交汇)"
)
_ANY_NAME = rf"(?!{_NO_NAME})(?:(?![{_NOT_IN_NAMES}])[\u4e00-\u9fff])"
_CUED = re.compile(
    rf"(?:(?:^|我们|反映(?:一下)?|投诉(?:一下)?|那个|这个|叫|是)(?P<estate>{_ANY_NAME}{{2,6}}?(?:小区|花园|公寓|家园|大厦|大?酒店|度假村){_DETAIL}*)"
    rf"|(?:^|[在到是往沿从的去啊了叫])(?P<road>(?!十字|丁字|三岔|红绿|那|这)(?:(?![{_NOT_IN_NAMES}{_NOT_IN_ROADS}])[\u4e00-\u9fff]){{2,3}}(?:路口|(?:路|街)"
    rf"(?=口|上|边|那|这|中段|[东西南北]段|{COUNT}号|跟|和|与|交|附近|旁|对面)){_DETAIL}*)"
    rf"|(?:地址(?:是|在)?|位于|在)(?P<name>{_ANY_NAME}{{2,5}}?(?:路(?![灯面口边段上人费况过])|街(?!灯)|大道|巷|小区|花园|公寓|家园|"
    r"市场|学校|小学|中学|幼儿园|村(?![民里])|社区|酒店|宾馆|民宿|超市|广场|大厦|医院|工业园|产业园|加油站)"
    rf"{_DETAIL}*))"
)

_DENIES = re.compile(r"(?:(?<!是)不是|不在|没在|并非)(?:说在|在|说|去|我们|你们)?(?:那个|这个)?$")
_SLIPS = (
    r"不对|错了|说错|搞错|讲错|记错|口误|更正|改成|应该是|应该在|应该说|哦不|啊不|噢不|呃不|不不|不是不是|"
    r"(?<!是)不是(?=是|在|我)"
)
_INSTEAD = re.compile(rf"(?:{_SLIPS})[^，。,.]{{0,6}}$")
_ONLY_DENIAL = re.compile(
    r"^(?:嗯|啊|哦|噢|诶|我)*(?:不对|不是|错了|说错了|讲错了|搞错了|记错了|不是的|不是这里|不是那里)+(?:啊|呀|哦|了)*$"
)
_DENIAL_FIRST = re.compile(r"^(?:嗯|啊|哦|噢|诶)*(?:不是|不对|错了|没有|不在)")
_QUESTION = re.compile(r"吗|还是|哪|是不是|几|什么|么$|[?？]")
_YES = re.compile(r"^(?:嗯|啊|哦|诶)*(?:对|没错|就是|是(?!不是))(?!.*(?:不是|不对))")
_HOME = re.compile(
    r"(?:我住|我家|我是|我们是|本人是|家住|住在|户口(?:在|是)|老家(?:是|在)?|租房|租住|家在|祖籍(?:是|在)?)(?:在)?(?:海南|三亚)?(?:那个|这个)?$"
)
_IS_AT = re.compile(r"(?:在|位于|地[址点]是)(?:那个|这个|我们|你们|咱们)?$")
_ON_THE_WAY = re.compile(r"(?:路过|途经|从|飞|回|前往|开往|发往|去|往|来自)(?:了)?$")
_ON_THE_WAY_AFTER = re.compile(
    r"(?:这边|那边)?(?:回来|过来|来的|开来|下车|出来|方向|出发|坐车|路过|经过|寄|发货|运来|到[\u4e00-\u9fff]{2,4}(?:的)?(?:公交|班车|车|航班))"
)
_TO_OUTSIDE = re.compile(r"(?<!嫁)到$")
_ORIGIN_AFTER = re.compile(
    r"(?:人(?!行|民|家)|来的|游客|户籍|户口|牌照|的?车牌|口音|老家|话|的(?:号码|亲戚|朋友|航班|高铁|火车|动车|机票|车票|飞机)|航班|机票|车票|高铁票)"
)
_COMPARED = re.compile(r"(?:比|像|不如|好比|学学|参照|人家|听说)(?:人家|你们|我们)?$")
_COMPARED_AFTER = re.compile(
    r"(?:村|社区|那边|那里|他们)*(?:一样|那样|那么|都有|都能|都可以|就有|就能|早就有|都修好|都装)"
)
_WHOLE_DISTRICT = re.compile(
    r"$|[区镇这那的里有到昨今前没停全最就也都是，。,.啊吧呢\x00]|什么|哪|能|可以|城区|老城|街|路|一带"
)
_IN_DISTRICT = re.compile(r"(?:^|在|到|来|去|住|从|你们|我们|咱们|是|三亚市?|海南|整个)$")
_MOVED_TO = re.compile(r"(?:迁|转|调|考|落户|搬)到$")
_STAYS_THERE = re.compile(r"(?:那边|那里)?(?:留学|上大学|读大学|旅游|出差|当兵)")
_WORKS_BEFORE = re.compile(r"(?:上班|工作|做工|打工|读书|上学)(?:都|就|是)*在$")
_WORKS_AFTER = re.compile(r"(?:那边|这边|那里|这里|村)?(?:上班|打鱼|捕鱼|读书|上学|打工|做工|做生意)")
_BESIDE_NEXT = re.compile(r"^村?的?(?:旁边|附近|隔壁|对面)的?$")
_OFFICE = re.compile(r"派出所|供电所|法庭|检察室|邮政所")
_INSTITUTION = re.compile(
    r"(?:邮政(?!所)|邮局|支行|信用社|供电|派出所|法庭|检察室|分行|中心校|的?老党员)(?!门口|对面|旁边|附近|后面|前面|隔壁|那里|这里)"
)
_SOMEBODYS_HOME = re.compile(r"(?:那边|这边|那里)?住(?![户宅院的着])")
_LOCATED = re.compile(r"[在这那](?:个|里|边)?$")
_CLOSER = re.compile(rf"{_NUMBERED}$|{_NUMBERED}.*{_DIRECTION}$|[一二三四五六七八九]村")
_AT_IT = re.compile(rf"{_DIRECTION}$|{_NUMBERED}$")


def place_of(utterances: Sequence[Heard], jurisdiction: Jurisdiction) -> PlaceHeard | None:
    """The place of the matter, or None. What the caller corrected wins, then what says most, then what came first."""
    heard_places: list[tuple[Heard, _Phrase]] = []
    denied_before = False
    last_detail: tuple[Heard, str] | None = None
    asked: tuple[Place, ...] = ()
    confirmed: Place | None = None
    denied: set[str] = set()
    for heard in utterances:
        text = plain(heard.text)
        phrases = phrases_in(jurisdiction, text)
        if heard.speaker != "caller":
            asked = _named(phrases)
            confirmed = asked[0] if len(asked) == 1 and not _QUESTION.search(text) else None
            continue
        phrases = _answering(phrases, asked, text)
        taken_back = {
            one.name for phrase in phrases if phrase.denied for one in (phrase.candidates[:1] or _one(phrase))
        }
        only_denial, first_denied, only_detail = _answer_in(text)
        if only_denial or (phrases and first_denied):
            # "是水南村吗" "不是": what the agent asked about is taken back.
            taken_back.update(place.name for place in asked if not any(p.place == place for p in phrases))
            denied_before = True
        denied.update(taken_back)
        if taken_back:
            heard_places = [(h, p) for h, p in heard_places if not (p.place and p.place.name in taken_back)]
        peers = [*(p.place for p in phrases if p.place and not p.candidates), *asked]
        for phrase in phrases:
            if not phrase.denied:
                instead = phrase.instead or bool(taken_back) or denied_before
                if instead and phrase.candidates:
                    phrase = _beside(phrase, peers)
                heard_places.append((heard, replace(phrase, instead=instead)))
        if confirmed and not _DENIAL_FIRST.match(text):
            heard_places = [(h, _decided(p, confirmed) if confirmed in p.candidates else p) for h, p in heard_places]
        if len(asked) > 1 and not phrases and (chosen := _chosen(asked, text)):
            heard_places.append((heard, chosen))
        if asked and not phrases:
            heard_places = [(h, _answered(p, asked, text)) for h, p in heard_places]
        if only_detail and not any(p.place and p.place.kind != "generic" for p in phrases):
            last_detail = (heard, only_detail)
        denied_before = only_denial
        asked, confirmed = (), None
    if not heard_places:
        return None
    best_heard, best = _best(heard_places)
    best = _told_elsewhere(best, [phrase for _, phrase in heard_places], denied)
    found = PlaceHeard(
        value=best.value,
        place=_certain(best),
        words=(best.words,),
        utterances=(best_heard.number,),
        confidence=best.confidence,
        candidates=best.candidates,
    )
    if last_detail and last_detail[0].number != best_heard.number and not found.value.endswith(last_detail[1]):
        return replace(
            found,
            value=found.value + last_detail[1].removeprefix("的"),
            words=(*found.words, last_detail[1]),
            utterances=(*found.utterances, last_detail[0].number),
        )
    return found


@lru_cache(maxsize=4096)
def _answer_in(text: str) -> tuple[bool, bool, str]:
    """Whether a text only denies (不是的), whether it begins so, and the detail that is all of it (就在小学后面)."""
    detail = _ONLY_DETAIL.match(text)
    return bool(_ONLY_DENIAL.match(text)), bool(_DENIAL_FIRST.match(text)), detail.group(1) if detail else ""


def _one(phrase: _Phrase) -> tuple[Place, ...]:
    return (phrase.place,) if phrase.place else ()


def _named(phrases: tuple[_Phrase, ...]) -> tuple[Place, ...]:
    """The places that an agent's words name; they are no facts, but what the caller answers to."""
    return tuple(place for phrase in phrases if phrase.place for place in (phrase.candidates or (phrase.place,)))


def _answering(phrases: tuple[_Phrase, ...], asked: tuple[Place, ...], text: str) -> tuple[_Phrase, ...]:
    """ "是水南村吗" "不是海棠村那边": this 不是 is the answer and takes nothing back that the caller names."""
    if not asked or not _DENIAL_FIRST.match(text):
        return phrases
    return tuple(
        replace(phrase, denied=False, instead=True) if phrase.denied and phrase.place not in asked else phrase
        for phrase in phrases
    )


def _beside(phrase: _Phrase, peers: Sequence[Place]) -> _Phrase:
    """ "不是水南是海棠": what is named instead of a village is a village."""
    if not any(peer.kind in _SETTLEMENTS and not peer.outside for peer in peers):
        return phrase
    alike = [one for one in phrase.candidates if one.kind in _SETTLEMENTS and not one.outside]
    return _decided(phrase, alike[0]) if len(alike) == 1 else phrase


def _answered(phrase: _Phrase, asked: tuple[Place, ...], text: str) -> _Phrase:
    """What may be several places, after the agent asked which and the caller answered 对 or 是村."""
    choice = [one for one in phrase.candidates if one in asked]
    if len(choice) == 1 and _YES.match(text):
        return _decided(phrase, choice[0])
    if len(text) <= _SHORT_ANSWER and not _ONLY_DENIAL.match(text):
        fitting = [one for one in phrase.candidates if one.name[-1] in text]
        if len(fitting) == 1:
            return _decided(phrase, fitting[0])
    return phrase


def _chosen(asked: tuple[Place, ...], text: str) -> _Phrase | None:
    """ "是城东还是城西" "西": the one whose own character is the answer."""
    if len(text) > _BARE_ANSWER:
        return None
    alone = [
        one
        for one in asked
        if any(character in text for character in set(one.name) - {c for o in asked if o != one for c in o.name})
    ]
    if len(alone) != 1:
        return None
    name = alone[0].name
    return _Phrase(alone[0], name, text, _ANSWERED, denied=False, instead=True, worth=_ANSWERED)


def _told_elsewhere(phrase: _Phrase, others: Sequence[_Phrase], denied: set[str]) -> _Phrase:
    """What may be several places, when another was denied (不是镇海是深海) or the caller once gave the full name."""
    if not phrase.candidates:
        return phrase
    sure = [one.place for one in others if one.place in phrase.candidates and not one.candidates]
    left = [one for one in phrase.candidates if one.name not in denied]
    for choice in (sure, left):
        if len(set(choice)) == 1 and choice[0] is not None:
            return _decided(phrase, choice[0])
    return phrase


def _decided(phrase: _Phrase, place: Place) -> _Phrase:
    return replace(phrase, place=place, candidates=(), confidence=_ANSWERED, worth=_ANSWERED)


def _certain(phrase: _Phrase) -> Place | None:
    """The entry of a phrase; where several are possible, only an area that has no territorial unit anyway."""
    place = phrase.place
    if phrase.candidates and place is not None and (place.unit is not None or place.outside):
        return None
    return place


def _best(heard_places: list[tuple[Heard, _Phrase]]) -> tuple[Heard, _Phrase]:
    corrected = [(heard, phrase) for heard, phrase in heard_places if phrase.instead]
    if corrected:
        return corrected[-1]
    # max() keeps the first of equals: a caller names the place of the matter before other places.
    heard, best = max(heard_places, key=lambda candidate: candidate[1].worth)
    if _AT_IT.search(best.words) or best.place is None or best.place.kind not in _SETTLEMENTS:
        return heard, best
    # "水南村那里嘛水南二村的广场": the same place said again, closer.
    closer = [
        (h, p)
        for h, p in heard_places
        if p.place == best.place and not p.candidates and not best.candidates and _CLOSER.search(p.value)
    ]
    return closer[0] if closer and not _CLOSER.search(best.value) else (heard, best)


@lru_cache(maxsize=4096)
def phrases_in(jurisdiction: Jurisdiction, text: str) -> tuple[_Phrase, ...]:
    """All place phrases of one plain text, from left to right."""
    mentions = mentions_in(jurisdiction, text)
    phrases: list[_Phrase] = []
    position = 0
    while position < len(mentions):
        chain, between = [mentions[position]], False
        end = _tail_end(text, chain[0])
        while position + 1 < len(mentions):
            following = mentions[position + 1]
            gap = text[end : following.start] if following.start >= end else ""
            if _only_beside(text, chain[0], [following]):
                break
            if not _CHAINED.match(gap):
                if not (_BETWEEN.match(gap) and _BETWEEN_AFTER.match(text, following.end)):
                    break
                between = True
            chain.append(following)
            end = max(end, _tail_end(text, following))
            position += 1
        phrase = _phrase(text, chain, end)
        if phrase is not None and _only_beside(text, chain[0], mentions[position + 1 : position + 2]):
            phrase = replace(phrase, worth=phrase.worth - 0.3)
        if phrase is not None and between:
            # 水南到大蛋那条路: only a person can say whose part of it is meant.
            several = tuple(dict.fromkeys(mention.place for mention in chain if mention.place.unit))
            phrase = replace(phrase, candidates=several if len(several) > 1 else ())
        if phrase is not None:
            phrases.append(phrase)
        position += 1
    if all(mention.place.kind == "generic" for mention in mentions):
        unknown = [
            _Phrase(None, name, name, _FROM_CUE, denied=False, instead=False, worth=_FROM_CUE)
            for match in _CUED.finditer(text)
            for name in [match["estate"] or match["road"] or match["name"]]
            if not any(name in phrase.words for phrase in phrases)
        ]
        return tuple(unknown) or tuple(phrases)
    return tuple(phrases)


def _only_beside(text: str, mention: Mention, following: Sequence[Mention]) -> bool:
    """Whether a place only says what the next is beside: 抱古旁边北岭 is 北岭."""
    return any(
        one.place.kind in _SETTLEMENTS and bool(_BESIDE_NEXT.search(text[mention.end : one.start])) for one in following
    )


def _phrase(text: str, chain: list[Mention], end: int) -> _Phrase | None:
    """The phrase of some names that follow one another; None: the words are of something else, or only compared."""
    deciding = min(chain, key=lambda mention: (mention.place.unit is None, _MOST_SPECIFIC.index(mention.place.kind)))
    start = chain[0].start
    value, position = "", start
    for mention in chain:
        if mention.start >= position:
            value += text[position : mention.start] + mention.written
            position = mention.end
    value += text[position:end]
    before, after, place = text[max(0, start - _AROUND) : start], text[end : end + _AROUND], deciding.place
    if _COMPARED.search(before) or _COMPARED_AFTER.match(after):
        return None
    if place.unit is None and _INSTITUTION.match(text, chain[0].end):
        # 崖城支行: the name of an institution, not where something happened.
        return None
    if place.kind == "generic" and not (_AT_IT.search(text[start:end]) or _LOCATED.search(before)):
        return None
    if _SOMEBODYS_HOME.match(after) and before.endswith("在") and not before.endswith("我在"):
        return None
    if place.kind == "district" and (
        _MOVED_TO.search(before) or not (place.outside or _WHOLE_DISTRICT.match(after) or _IN_DISTRICT.search(before))
    ):
        # 崖州阿婆粽, 崖州中心医院: a name that begins so.
        return None
    if any(one.outside for one in (place, *deciding.candidates)) and _STAYS_THERE.match(after):
        return None
    passed = bool(_ON_THE_WAY.search(before) or _ON_THE_WAY_AFTER.match(after))
    if place.outside and (passed or _TO_OUTSIDE.search(before) or _ORIGIN_AFTER.match(after) or _HOME.search(before)):
        return None
    worth = deciding.confidence
    if deciding.candidates:
        worth = max(worth, _AMBIGUOUS_WORTH)
    if place.unit is not None:
        worth += 0.15 if place.kind in _SETTLEMENTS else 0.1
    if _HOME.search(before):
        worth -= 0.25
    elif _IS_AT.search(before):
        worth += 0.05
    if _WORKS_BEFORE.search(before) or _WORKS_AFTER.match(after):
        worth -= 0.25
    if passed:
        worth -= 0.3
    if _OFFICE.search(text[start:end]):
        worth -= 0.2
    return _Phrase(
        place=place,
        value=value.rstrip("的"),
        words=text[start:end].rstrip("的"),
        confidence=deciding.confidence,
        denied=bool(_DENIES.search(before)),
        instead=bool(_INSTEAD.search(before)),
        worth=worth,
        candidates=deciding.candidates,
    )


def _tail_end(text: str, mention: Mention) -> int:
    match = _TAIL.match(text, mention.end)
    return match.end() if match else mention.end
