"""Who calls: the name that the caller gives, and whether they ask to stay unknown (YZ-26, ruling S17)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from routing.jurisdiction import Jurisdiction
from routing.reading.gazetteer import is_word, syllables
from routing.reading.spoken import Heard, plain
from routing.reading.wordings import Wordings

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
    "傅钟汪戴崔陆廖熊金石范方邹孟秦白江阎薛侯姜宁曲贺滕丘邝巫佘敖冉晏荆邬桂窦童费卞欧郁苗练隋栾辜仇雷龙史陶贺顾毛郝龚邵万钱严武洪汤尹常乔赖殷庄温康施牛樊葛安颜倪向申季文关邱"
    "兰柳岳骆纪焦倪盛翁吉羊冼蓝苻钱尤岑卓詹辛池游娄阮柯莫尚俞韦柏凌霍涂耿章鲁聂齐梅裴左古祝甘佟鄢覃蒙农覃劳陀裘屈项路简饶"
    "柴瞿井阳卜舒毕谭单褚解宫席植区谷沙车甄凤华萧闫段郎"
)
_TITLES = (
    "先生|女士|小姐|师傅|大爷|大妈|大娘|阿姨|阿公|阿婆|阿伯|阿叔|同志|太太|大姐|大哥|老师|医生|老板|经理|"
    "伯|叔|婶|姨|姐|哥"
)
_SURNAME = rf"(?:{_COMPOUND}|[{_SINGLE}])"
_GIVEN = r"(?![的了是在有没不个足这那些都也还要去来到说打问想跟给把被电手联住家今族客员民户])[\u4e00-\u9fff]"
_ENDS = (
    r"(?=$|[，。！？；,.!?;、\x00]|电话|手机|号码|联系|住|我|你|他|是|在|家|今年|想|要|打|就|这|有|的|幺|[一二三四五六七八九零\d]|"
    r"[\u4e00-\u9fff]{1,4}(?:村|社区|人))"
)
_NO_NAMES = (
    r"(?!马上|高中|高三|高二|高一|高级|黄牛|白天|白领|文员|安保|安全|施工|司机|游客|常年|常住|康复|华侨|农民|方便|万一|石头|田里|江西|"
    r"江苏|云南|温州|陆军|金融|程序|古城|路过|路边|单位|单身|车主|车间|沙场|解放|段时间|谷子|席地|阳台|凤岭|文昌|乐东|王下|于是|何况|"
    r"关于|任何|常常|向你|向您|方面|项目|区里|区外|华为|海南)"
)

_I_AM = r"(?:我是|俺是|我就是|咱是|我姓|俺姓|免贵姓|本人姓|叫我|我叫|俺叫|这边是|敝姓)"
_TITLED = re.compile(
    rf"{_I_AM}(?:[\u4e00-\u9fff]{{1,10}}?的)?{_NO_NAMES}(?P<name>{_SURNAME})(?P<title>{_TITLES})(?!的(?!士)|班|家|他|她|店|手下|那里)"
)
_ONLY_TITLED = re.compile(rf"^(?:我是|是)?(?P<name>{_SURNAME})(?P<title>{_TITLES})$")
_NICKNAMED = re.compile(
    rf"(?:(?:叫我|喊我|我叫|写)(?P<called>[老小]{_SURNAME}|阿[\u4e00-\u9fff])(?!板|师|说|[的们])|"
    rf"(?:我是|喊我)(?:[\u4e00-\u9fff]{{1,8}}的)?(?P<known>[老小]{_SURNAME}|阿[\u4e00-\u9fff])(?={_TITLES}|就|$|吧|好了|啊|[，。,.]))"
)
_SPELT = {
    "弓长": "张", "木子": "李", "耳东": "陈", "口天": "吴", "双口": "吕", "立早": "章",
    "草头": "黄", "古月": "胡", "言午": "许", "双木": "林", "三横": "王", "走肖": "赵",
    "人可": "何", "干勾": "于", "双人": "徐", "大肚": "黄", "禾木": "程",
}  # fmt: skip
"""How surnames are spelt out: 弓长张."""
_SPELT_OUT = re.compile(rf"(?P<how>{'|'.join(_SPELT)})(?P<name>{_SURNAME})")
_ADDRESSED = re.compile(
    rf"(?:写|记|叫|喊|称呼|登记)(?:我|成|作|为|上)*(?P<name>{_SURNAME})(?P<title>先生|女士|小姐|阿姨|大爷|师傅|阿婆|阿公|姐|哥|伯|婶|叔)"
)
_I_AM_CALLED = re.compile(
    rf"(?:我叫|俺叫|我的名字叫|我的名字是|我名字叫|我名字是|本人叫|全名叫|我全名){_NO_NAMES}(?P<name>(?P<family>{_SURNAME})(?!{_TITLES})(?P<given>{_GIVEN}(?:{_GIVEN})?))"
)
_SINGLE_NAME = re.compile(r"单名(?:一个|是|叫)*(?P<given>[\u4e00-\u9fff])")
_FULL = re.compile(
    r"(?:(?:我叫|俺叫|我的名字叫|我的名字是|我名字叫|我名叫|全名叫?|姓名是|我姓名)|"
    r"(?:^叫|(?<=的)叫|我是[\u4e00-\u9fff]{2,8}?的?叫))"
    rf"{_NO_NAMES}(?P<name>{_SURNAME}(?!{_TITLES}){_GIVEN}(?:{_GIVEN})?){_ENDS}"
)
_I_AM_FULL = re.compile(
    rf"(?:我是(?:[\u4e00-\u9fff]{{1,6}}(?:村|社区|组|队|这边|那边)的?|业主|村民)?|叫){_NO_NAMES}(?P<name>{_SURNAME}(?!{_TITLES}){_GIVEN}(?:{_GIVEN})?)(?=$|[，。,.]|(?:你记|您记|我)?[^，。,.]{{0,2}}(?:电话|手机|号码))"
)
_SOMEBODYS = re.compile(
    r"(?:他|她|它|邻居|我哥|我弟|我姐|我妹|我爸|我妈|我爷爷|我奶奶|我叔|我婶|我舅|我姑|我姨|哥|弟|姐|妹|老板|孩子|儿子|女儿|老公|老婆|丈夫|妻子|房东|医生|老师|负责人|队长|村长|书记|店|师傅|经理|司机|那个人|那人|对方|"
    r"工头|包工头|爸|妈|孙子|孙女|弟弟|妹妹|哥哥|姐姐|朋友|同事|亲戚|名字是|主任|科长|干部|工作人员|男的|女的|一个|有个|民警|护士|业主|"
    r"中介|骗子|公司|站长|所长|局长|校长|园长)(?:的名字|名字|的|就|是|也)*$"
)
_OF_SOMEBODY = re.compile(r"的(?!$|[，。,.]|我|电话)")
_SURNAME_ONLY = re.compile(
    rf"(?:我姓|俺姓|免贵姓|本人姓|敝姓|(?<![百老同贵复])姓)(?P<name>{_COMPOUND}|(?!什么|名|氏)[\u4e00-\u9fff])"
    rf"(?:(?:[\u4e00-\u9fff]{{1,3}}的)(?P<spelt>{_SURNAME}))?"
    rf"(?:(?:名?叫|名)(?:(?P=name))?(?P<given>(?!{_SURNAME}(?:{_TITLES})){_GIVEN}(?:{_GIVEN})?){_ENDS})?"
    rf"(?:(?P=name)?(?P<title>先生|女士|小姐|阿公|阿婆|阿姨|阿伯|大爷|师傅))?"
)
_BARE_NAME = re.compile(rf"^(?:嗯|啊|哦|我叫|叫|姓)*(?P<name>{_SURNAME}{_GIVEN}(?:{_GIVEN})?)(?:啊|呀)?$")
_BARE_SURNAME = re.compile(rf"^(?:嗯|啊|哦)*(?P<name>{_SURNAME})(?:啊|呀|[\u4e00-\u9fff]{{1,3}}的(?P=name))?$")
_ASKED_NAME = re.compile(r"贵姓|怎么称呼|称呼您|姓名|名字|叫什么|您是哪位|您姓")
_CALLER = "我俺免本敝"
"""With these a caller begins what is said of themselves."""
_TAKEN_BACK = re.compile(r"(?:不用|不需要|不要|没必要|不必|无需)(?:你们?)?(?:替我|给我|帮我)?$")
_WISHES: dict[Wish, str] = {"anonymous": "要求匿名", "identity": "要求身份保密", "content": "要求内容保密"}


def person_of(utterances: Sequence[Heard], jurisdiction: Jurisdiction) -> PersonHeard | None:
    """The caller's name as last given, and their wishes; None when they said neither. Names of others do not count."""
    name, confidence = "", 0.0
    words: dict[str, None] = {}
    numbers: dict[int, None] = {}
    wishes: set[Wish] = set()
    asked = False
    for heard in utterances:
        text = plain(heard.text)
        if heard.speaker != "caller":
            asked = bool(_ASKED_NAME.search(text))
            continue
        found = _name_in(text, asked)
        if found and (found[2] >= confidence or _is_fuller(found[0], name)):
            words = {word: None for word in words if word != name}
            name, said, confidence = found
            words[said] = None
            numbers[heard.number] = None
        for wish, said in _wishes_in(jurisdiction, text):
            wishes.add(wish)
            words[said] = None
            numbers[heard.number] = None
        asked = False
    if not name and not wishes:
        return None
    wished = "、".join(text for wish, text in _WISHES.items() if wish in wishes)
    value = f"{name}（{wished}）" if name and wished else name or wished
    return PersonHeard(value, tuple(words), tuple(numbers), confidence or 0.8, frozenset(wishes))


@lru_cache(maxsize=4096)
def _wishes_in(jurisdiction: Jurisdiction, text: str) -> tuple[tuple[Wish, str], ...]:
    """What is asked for and its words; 不用匿名 asks for nothing."""
    return tuple(
        (wish, found.phrase)
        for found in _wish_wordings(jurisdiction).find(text)
        if not _TAKEN_BACK.search(text[max(0, found.start - 4) : found.start])
        for wish in found.payloads
    )


def _is_fuller(name: str, known: str) -> bool:
    """Whether a name says more than the one that is known: 符亚妹 after 姓符."""
    return known.startswith("姓") and name.startswith(known[1:]) and len(name) > len(known) - 1


def _is_of_another(text: str, name: re.Match[str]) -> bool:
    """Whether a name follows 老板, 他 and the like, and no 我 before it says that it is the caller's."""
    return name.group()[0] not in _CALLER and bool(_SOMEBODYS.search(text[max(0, name.start() - 12) : name.start()]))


def _whole_name(text: str, called: re.Match[str]) -> str:
    """Whether two characters or three are the name where it runs on: 我叫李明|昨天停电, 我叫容海生|容易的容."""
    family, given = called["family"], called["given"]
    if len(given) == 1:
        return family + given
    start = called.start("given")
    if is_word(text[start + 1 : start + 3]) and not is_word(text[start + 2 : start + 4]):
        return family + given[0]
    return family + given


@lru_cache(maxsize=4096)
def _name_in(text: str, asked: bool) -> tuple[str, str, float] | None:
    """The caller's name, the words it was said in, how sure. `asked`: the agent has just asked for it."""
    for pattern in (_TITLED, _ONLY_TITLED):
        if titled := pattern.search(text):
            return titled["name"] + titled["title"], titled.group(), 0.9
    for pattern in (_FULL, _I_AM_FULL):
        if (full := pattern.search(text)) and not _is_of_another(text, full):
            return full["name"], full.group(), 0.8
    if (called := _I_AM_CALLED.search(text)) and not _is_of_another(text, called):
        return _whole_name(text, called), called.group(), 0.75
    surnames = sorted(_SURNAME_ONLY.finditer(text), key=lambda one: one.group()[0] not in _CALLER)
    for surname in surnames:
        if _is_of_another(text, surname) or _OF_SOMEBODY.match(text, surname.end()):
            continue
        family = surname["name"]
        if surname["spelt"] and syllables(surname["spelt"]) == syllables(family):
            family = surname["spelt"]
        if surname["given"]:
            return family + surname["given"], surname.group(), 0.8
        if surname["title"]:
            return family + surname["title"], surname.group(), 0.85
        if (addressed := _ADDRESSED.search(text, surname.end())) and addressed["name"] == family:
            return family + addressed["title"], addressed.group(), 0.85
        return f"姓{family}", surname.group(), 0.85 if re.fullmatch(_SURNAME, family) else 0.6
    if addressed := _ADDRESSED.search(text):
        return addressed["name"] + addressed["title"], addressed.group(), 0.8
    if nickname := _NICKNAMED.search(text):
        return nickname["called"] or nickname["known"], nickname.group(), 0.7
    spelt = _SPELT_OUT.search(text)
    if spelt and (asked or spelt.start() == 0) and _SPELT[spelt["how"]] == spelt["name"]:
        if single := _SINGLE_NAME.search(text, spelt.end()):
            return spelt["name"] + single["given"], text[spelt.start() : single.end()], 0.75
        return f"姓{spelt['name']}", spelt.group(), 0.8
    if asked and (bare := _BARE_NAME.match(text)):
        return bare["name"], bare["name"], 0.75
    if asked and (bare := _BARE_SURNAME.match(text)):
        return f"姓{bare['name']}", bare["name"], 0.75
    return None


@lru_cache(maxsize=8)
def _wish_wordings(jurisdiction: Jurisdiction) -> Wordings[Wish]:
    asked = jurisdiction.confidentiality
    kinds: tuple[tuple[Wish, tuple[str, ...]], ...] = (
        ("identity", asked.identity),
        ("content", asked.content),
        ("anonymous", asked.anonymous),
    )
    return Wordings((phrase, wish) for wish, phrases in kinds for phrase in phrases)
