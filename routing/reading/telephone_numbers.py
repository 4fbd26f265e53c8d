"""The telephone number that a caller reads out to be called back on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from routing.reading.spoken import Heard, of_caller, plain
from routing.reading.spoken_numbers import digit


@dataclass(frozen=True)
class NumberHeard:
    """A complete number (digits only), the words that it was said in, and the utterances."""

    digits: str
    words: tuple[str, ...]
    utterances: tuple[int, ...]
    confidence: float


_CUE = re.compile(r"电话|手机|号码|联系|打我|打给我|回电|回拨|找我|打这个|微信")
_MOBILE = re.compile(r"(?<!\d)(?:00)?(?:86)?(1[3-9]\d{9})(?!\d)")
_LANDLINE = re.compile(r"(?<!\d)(0(?:10|2\d|[3-9]\d{2})[2-8]\d{6,7})(?!\d)")
_LOCAL = re.compile(r"(?<!\d)([2-8]\d{7})(?!\d)")
_SAID_TWICE = re.compile(r"(?<!\d)(1[3-9]\d{9})\1(?!\d)")
_AREA_AFTER = re.compile(r"(?<!\d)([2-8]\d{6,7})(?!\d)[^\d]{0,3}区号[^\d]{0,2}(0(?:10|2\d|[3-9]\d{2}))(?!\d)")
_WHOLE = re.compile(r"1[3-9]\d{9}|0(?:10|2\d|[3-9]\d{2})[2-8]\d{6,7}|[2-8]\d{7}")

_BETWEEN = re.compile(
    r"(?<=\d)(?:[-—－ ，、。,.]|杠|转|呃|嗯|啊|哦|哎|那个|然后|再来|再|接着|完了|后面|中间|前面|最后|就是|对|是)+(?=\d)"
)
"""What callers say between the groups of a number."""
_TIMES = re.compile(r"([两二三四五六七八2-8])个([零〇一幺二三四五六七八九\d])(?![个月天年人家户点号]|小时|星期|礼拜)")
"""三个八 is 888."""
_MISTAKE = r"(?:不对|错了|说错了?|讲错了?|搞错了?|念错了?|不是)(?:啊|呀|哦|了|不好意思)*(?:应该)?(?:是)?"
_REPAIRED = re.compile(
    rf"(\d{{3,13}})[^\d]{{0,4}}?{_MISTAKE}[^\d]{{0,4}}?(?:最后|后面|尾号|末尾)?[^\d]{{0,4}}?(\d{{1,13}})"
)
_NOT_BUT = re.compile(r"(?:不是|没有)(\d{1,6})[^\d]{0,4}是(\d{1,6})")
_BUT_NOT = re.compile(r"是(\d{1,6})[^\d]{0,3}(?:不是|没有)(\d{1,6})")
_TAIL = re.compile(
    r"(?:最后|后面|尾号|末尾|尾数|后\d?|最后\d?)(?:那?[\d两几]*个?位?(?:数字?)?|几个)?(?:应该)?是(\d{1,8})"
)
_AGREED = re.compile(r"^(?:嗯|对|是|好|啊|哦|的|没错|记了|可以|呃|等一下|那个|你记一下|你记)+$")
_ONLY_DIGITS = re.compile(r"^(?:嗯|啊|呃|是|对|好|然后|那个|后面|再|接着|就是)*\d+(?:对|嗯|啊|的|吧|没错)*$")

_WHOSE = (
    r"(?:他|她|他们|她们|老板|店家?|商家|公司|单位|物业|房东|中介|司机|对方|骗子|那个人|那人|师傅|工头|包工头|客服|业主|邻居|老师|"
    r"学校|酒店|卖家|平台)"
)
_OTHERS = re.compile(
    rf"{_WHOSE}(?:那边|这边|那里)?(?:的|那个|留的|给的)?(?:联系|办公|手机|座机)?(?:电话|手机|号码|号|联系方式)"
)
_CAME_IN = re.compile(
    r"打(?:给我(?=的|说|让|要|骗|推)|过来|来)|给我(?:打|发)|发来|短信|骚扰|推销|陌生(?:电话|号码)|诈骗|开头的"
)
"""A number of somebody else: of what the call is about."""
_OWN = re.compile(r"我(?:自己|本人)?的?(?:联系)?(?:电话|手机|号码)")
_ASKS_FOR_IT = re.compile(r"(?:联系|回电|回拨|回复|通知|找|打)(?:给|他|她|我|这个)?")
_OTHER_THINGS = re.compile(
    r"(?:身份证|车牌|单号|订单|工号|账号|帐号|卡号|编号|户号|水表|电表|合同|社保号|驾驶证|房产证|流水|编码|银行卡|存折)[^\d]{0,8}$"
)


def callback_number(utterances: Sequence[Heard]) -> NumberHeard | None:
    """The last complete number that the caller read out: 11-digit mobile, or landline with or without its area.

    Read out in pieces over several utterances it counts too, and so do corrections (不对, 最后两位是五六). An
    incomplete number is none: a wrong one is worse. Numbers of others, of identity cards, plates and orders are none.
    """
    best: NumberHeard | None = None
    open_run: list[tuple[Heard, str]] = []
    for heard in of_caller(utterances):
        text = plain(heard.text)
        digits = _as_digits(text)
        cued = _CUE.search(text) is not None
        found = _number_in(digits, cued=cued)
        if found:
            best = NumberHeard(found, (heard.text,), (heard.number,), 0.9)
            open_run = []
            continue
        if best is not None and (mended := _mended(best.digits, _as_digits(text, joined=False))):
            best = replace(
                best,
                digits=mended,
                words=(*best.words, heard.text),
                utterances=(*best.utterances, heard.number),
                confidence=0.8,
            )
            open_run = []
            continue
        if _ONLY_DIGITS.match(digits):
            open_run.append((heard, re.sub(r"\D", "", digits)))
        elif cued and not _is_of_others(digits):
            # "我的电话是一三八" and the rest in the next breath.
            tail = re.search(r"\d+$", digits)
            open_run = [(heard, tail.group() if tail else "")]
        elif open_run and (groups := re.findall(r"\d+", _as_digits(text, joined=False))):
            if whole := _completed([(said, part) for said, part in open_run if part], heard, groups):
                best = whole
            open_run = []
        elif not _AGREED.match(text):
            open_run = []
        pieces = [(said, part) for said, part in open_run if part]
        if pieces and pieces[-1][0] is heard:
            whole = _whole(pieces, cued=len(pieces) < len(open_run) or _cued(pieces))
            if whole:
                best = whole
                open_run = []
    return best


def _whole(pieces: Sequence[tuple[Heard, str]], *, cued: bool) -> NumberHeard | None:
    """The number in pieces of several utterances; a caller who begins anew is taken at the last beginning."""
    for first in range(len(pieces)):
        kept = pieces[first:]
        if found := _number_in("".join(part for _, part in kept), cued=cued):
            return NumberHeard(found, tuple(said.text for said, _ in kept), tuple(said.number for said, _ in kept), 0.8)
    return None


def _completed(pieces: list[tuple[Heard, str]], heard: Heard, groups: Sequence[str]) -> NumberHeard | None:
    """A number whose last group is said again or added in other words: 最后是九, 就是六六零幺九."""
    for group in reversed(groups):
        for kept in (pieces, pieces[:-1]):
            if whole := _whole([*kept, (heard, group)], cued=True):
                return whole
    return None


def _cued(pieces: Sequence[tuple[Heard, str]]) -> bool:
    return any(_CUE.search(said.text.replace(" ", "")) for said, _ in pieces)


@lru_cache(maxsize=8192)
def _as_digits(text: str, *, joined: bool = True) -> str:
    """The text with spoken digits as 0-9; single ones inside ordinary words are turned too, and do no harm.

    `joined`: what callers say between the groups of a number is left out.
    """
    text = _TIMES.sub(lambda found: (digit(found[2]) or "") * int(digit(found[1]) or 0), text)
    turned = "".join(digit(character) or character for character in text)
    return _BETWEEN.sub("", turned) if joined else turned


@lru_cache(maxsize=8192)
def _number_in(digits: str, *, cued: bool) -> str | None:
    digits = _repaired(digits)
    digits = _SAID_TWICE.sub(r"\1", digits)
    digits = _AREA_AFTER.sub(lambda found: found[2] + found[1], digits)
    found = [*_MOBILE.finditer(digits), *_LANDLINE.finditer(digits)]
    if not found and cued:
        # Eight digits alone could be anything; after "电话" they are a local number.
        found = list(_LOCAL.finditer(digits))
    own = [match for match in found if not _is_anothers(digits, match)]
    return max(own, key=lambda match: match.start()).group(1) if own else None


def _is_anothers(digits: str, number: re.Match[str]) -> bool:
    before = digits[max(0, number.start() - 30) : number.start()]
    # Only what was said since the number before this one.
    before = re.split(r"\d{7,}", before)[-1]
    after = digits[number.end() : number.end() + 8]
    return bool(_OTHER_THINGS.search(before)) or _is_of_others(before) or _CAME_IN.search(after) is not None


def _is_of_others(text: str) -> bool:
    for pattern in (_OTHERS, _CAME_IN):
        for found in pattern.finditer(text):
            # "联系他, 他的电话是" asks to be called there; "我的电话" after it is the caller's own.
            asked = pattern is _OTHERS and _ASKS_FOR_IT.search(text[max(0, found.start() - 7) : found.start() + 1])
            if not asked and not _OWN.search(text[found.end() :]):
                return True
    return False


def _repaired(digits: str) -> str:
    """A number that was corrected in the same breath: 13876509214不对9215, 1387不对13876509214."""
    while found := _REPAIRED.search(digits):
        said, again = found.groups()
        if _MOBILE.fullmatch(again) or _LANDLINE.fullmatch(again):
            mended = again
        elif _WHOLE.fullmatch(said) and len(again) < len(said):
            mended = said[: -len(again)] + again
        elif said.startswith("1") and 0 < 11 - len(again) <= len(said):
            mended = said[: 11 - len(again)] + again
        elif _WHOLE.fullmatch(again):
            mended = again
        else:
            return digits
        digits = digits[: found.start()] + mended + digits[found.end() :]
    return digits


def _mended(number: str, digits: str) -> str | None:
    """`number` with what a later utterance says of a part of it; None when it says nothing of it."""
    if found := _NOT_BUT.search(digits) or None:
        wrong, right = found.groups()
    elif found := _BUT_NOT.search(digits) or None:
        right, wrong = found.groups()
    elif found := _TAIL.search(digits):
        return number[: -len(found[1])] + found[1] if len(found[1]) < len(number) else None
    else:
        return None
    if len(wrong) != len(right) or wrong == right:
        return None
    at = number.rfind(wrong)
    return number[:at] + right + number[at + len(wrong) :] if at >= 0 else None
