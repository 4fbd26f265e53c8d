"""Who calls: the name that the caller gives, and whether they ask to stay unknown (YZ-26, ruling S17)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from routing.jurisdiction import Jurisdiction
from routing.reading.spoken import Heard, Phrases, of_caller, plain

Wish = Literal["identity", "content", "anonymous"]


@dataclass(frozen=True)
class PersonHeard:
    """`value` such as 符先生, 姓符, 王小明; with what they asked for in brackets. Empty words: nothing was said."""

    value: str
    words: tuple[str, ...]
    utterances: tuple[int, ...]
    confidence: float
    wishes: frozenset[Wish]


_COMPOUND = "欧阳|司马|上官|司徒|诸葛|东方|皇甫|慕容|令狐|端木|夏侯|尉迟|公孙|轩辕|长孙|宇文|独孤|南宫"
_SINGLE = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许邓冯韩曹曾彭肖蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任姚卢符邢黎云麦蒲容"
    "傅钟汪戴崔陆廖熊金石范方邹孟秦白江阎薛侯雷龙史陶贺顾毛郝龚邵万钱严武洪汤尹常乔赖殷庄温康施牛樊葛安颜倪向申季文关邱"
    "兰柳岳骆纪焦倪盛翁吉羊冼蓝苻钱尤岑卓詹辛池游娄阮柯莫尚俞韦柏凌霍涂耿章鲁聂齐梅裴左古祝甘"
)
_TITLES = r"先生|女士|小姐|师傅|大爷|阿姨|同志|太太|大姐|大哥|老师"
_SURNAME = rf"(?:{_COMPOUND}|[{_SINGLE}])"
_ENDS = r"(?=$|[，。！？；,.!?;、\x00]|电话|手机|号码|住|我|是|在|家|今年|想|要|打)"

_TITLED = re.compile(rf"(?:我是|我姓|免贵姓|叫我|我叫|这边是|叫|姓)(?P<name>{_SURNAME})(?P<title>{_TITLES})")
_ONLY_TITLED = re.compile(rf"^(?:我是|是)?(?P<name>{_SURNAME})(?P<title>{_TITLES})$")
_FULL = re.compile(
    rf"(?:我叫|我的名字叫|我的名字是|名字叫|名字是|姓名是|姓名|我是)(?P<name>{_SURNAME}(?!{_TITLES})[\u4e00-\u9fff]{{1,2}}?){_ENDS}"
)
_SURNAME_ONLY = re.compile(
    rf"(?:我姓|免贵姓|本人姓|^姓)(?P<name>{_COMPOUND}|(?!什么|名)[\u4e00-\u9fff])(?:叫(?P<given>(?!{_SURNAME}(?:{_TITLES}))[\u4e00-\u9fff]{{1,2}}?){_ENDS})?"
)
_WISHES: dict[Wish, str] = {"anonymous": "要求匿名", "identity": "要求身份保密", "content": "要求内容保密"}


def person_of(utterances: Sequence[Heard], jurisdiction: Jurisdiction) -> PersonHeard | None:
    """The caller's name as last given, and their wishes; None when they said neither."""
    name, confidence = "", 0.0
    words: dict[str, None] = {}
    numbers: dict[int, None] = {}
    wishes: set[Wish] = set()
    for heard in of_caller(utterances):
        text = plain(heard.text)
        found = _name_in(text)
        if found and found[2] >= confidence:
            words = {word: None for word in words if word != name}
            name, said, confidence = found
            words[said] = None
            numbers[heard.number] = None
        for phrase in _wish_phrases(jurisdiction).find(text):
            wishes.update(phrase.payloads)
            words[phrase.phrase] = None
            numbers[heard.number] = None
    if not name and not wishes:
        return None
    asked = "、".join(text for wish, text in _WISHES.items() if wish in wishes)
    value = f"{name}（{asked}）" if name and asked else name or asked
    return PersonHeard(value, tuple(words), tuple(numbers), confidence or 0.8, frozenset(wishes))


def _name_in(text: str) -> tuple[str, str, float] | None:
    """The name, the words it was said in, how sure."""
    for pattern in (_TITLED, _ONLY_TITLED):
        if titled := pattern.search(text):
            return titled["name"] + titled["title"], titled.group(), 0.9
    if full := _FULL.search(text):
        return full["name"], full.group(), 0.8
    if surname := _SURNAME_ONLY.search(text):
        if surname["given"]:
            return surname["name"] + surname["given"], surname.group(), 0.8
        return f"姓{surname['name']}", surname.group(), 0.85 if re.fullmatch(_SURNAME, surname["name"]) else 0.6
    return None


@lru_cache(maxsize=8)
def _wish_phrases(jurisdiction: Jurisdiction) -> Phrases[Wish]:
    asked = jurisdiction.confidentiality
    kinds: tuple[tuple[Wish, tuple[str, ...]], ...] = (
        ("identity", asked.identity),
        ("content", asked.content),
        ("anonymous", asked.anonymous),
    )
    return Phrases((phrase, wish) for wish, phrases in kinds for phrase in phrases)
