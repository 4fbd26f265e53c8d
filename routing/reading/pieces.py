"""What a caller said, in pieces: parted where a new matter may begin (另外, 还有一个, 顺便), and at punctuation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from routing.reading.spoken import Heard, of_caller, plain


@dataclass(frozen=True)
class Piece:
    """A part of utterance `number`, plain; `said` with its punctuation. `turns`: the caller announced with it that
    something else follows (另外); `adds`: it begins with a word that may say so (又, 还, 也).
    """

    number: int
    text: str
    turns: bool = False
    adds: bool = False
    said: str = ""

    def without(self, ending: str) -> Piece:
        """The piece without the words that it ends in."""
        return replace(self, text=self.text.removesuffix(ending), said=self.said.removesuffix(ending))


_TURN = re.compile(
    r"还有(?:一个|一件|一样|个|件|一点)(?:事情|事儿?|问题|情况)?|还有(?:就是|呢|啊|那个|我们|我想|我要|一直|另外)|另外(?:(?=[一有]?个?(?:事|问题|情况)|一[个件](?:事|问题|情况))|(?!的|[一两二三四五六七八几半]|挖|买|找|换|做|开|建|给|租|请|付|装|收|花|加))|此外|再一个(?!月|星期)|"
    r"再一(?:件|点)|再有(?:就是|一个)|再就是|顺便|顺带|对了|第二(?:个|件)(?:事|问题|情况|是|呢|就是)|第二就是|其次|还想(?:问|反映|说|投诉|咨询|举报)|"
    r"还要(?:反映|投诉|问|举报|说)|也想(?:问|反映|投诉)|除了这个|除此之外|同时(?:也|还|想|要)|(?:再|还)(?:问|说|反映|投诉|咨询)(?:一|个|下|你)"
)
"""How callers turn to another matter; 另外一条路 and 对了吗 are no turn."""
_ADDITION = re.compile(
    r"还有|以及|然后|而且|并且|再加上|再说|加上|又(?!是|叫|要|说|没|不|来|去|不是|怎么|能|会|有什么)|(?<![么儿谁里个都什])也(?!不|没|是|行|可以|要|会|好|知道|能|有人)|"
    r"还(?!是|没|不|在|要|能|可以|会|好|算|有|让|叫|得|想|给)|这还不算"
)
_PAUSE = re.compile(r"[，。！？；,.!?;\n]+")
_NOTHING = re.compile(
    r"^(?:嗯|啊|哦|噢|呃|哎|诶|喂|好|好的|对|是|是的|行|可以|谢谢|你好|您好|没有|不是|[，。,.？?！!])*$"
)
_LEAST = 3
"""A piece shorter than this says nothing by itself."""


def telling(utterances: Sequence[Heard]) -> list[Heard]:
    """The caller's utterances that say anything: 嗯 and 好的 change no proposal."""
    return [heard for heard in of_caller(utterances) if not _NOTHING.match(plain(heard.text))]


def pieces_of(utterances: Sequence[Heard]) -> list[Piece]:
    """The caller's utterances in pieces, in order."""
    return [
        Piece(heard.number, text, turns, adds, said)
        for heard in telling(utterances)
        for text, turns, adds, said in _parts(plain(heard.text))
    ]


@lru_cache(maxsize=4096)
def _parts(text: str) -> tuple[tuple[str, bool, bool, str], ...]:
    """The parts of a text, with `turns` and `adds` of each, and with their punctuation."""
    marks = {match.start(): (True, False) for match in _TURN.finditer(text)}
    for match in _ADDITION.finditer(text):
        marks.setdefault(match.start(), (False, True))
    for match in _PAUSE.finditer(text):
        marks.setdefault(match.end(), (False, False))
    parts: list[tuple[str, bool, bool, str]] = []
    start, turns, adds = 0, False, False
    for position in [*sorted(mark for mark in marks if 0 < mark < len(text)), len(text)]:
        part = _PAUSE.sub("", text[start:position])
        if len(part) >= _LEAST or position == len(text):
            parts.append((part, turns, adds, text[start:position]))
            start = position
            turns, adds = marks.get(position, (False, False))
        else:
            # Too short to say anything: it goes with what follows.
            more = marks.get(position, (False, False))
            turns, adds = turns or more[0], adds or more[1]
    if 0 in marks and parts:
        parts[0] = (parts[0][0], *marks[0], parts[0][3])
    return tuple(part for part in parts if part[0])


def joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces of one utterance that stand beside each other as one again: what is said in one breath is read as one."""
    whole: list[Piece] = []
    for piece in pieces:
        if whole and whole[-1].number == piece.number:
            whole[-1] = Piece(piece.number, whole[-1].text + piece.text, said=whole[-1].said + piece.said)
        else:
            whole.append(piece)
    return whole
