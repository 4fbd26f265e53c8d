"""Texts as the knowledge base is searched by: words as a dictionary cuts them, and how they sound.

The sounds forgive what a recogniser mishears (盐灶, 严造): the same syllables without tones count as a weaker match.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache

import jieba
from pypinyin import lazy_pinyin

_SAYS_NOTHING_LINES = (
    "的 了 吗 呢 吧 啊 呀 哦 嗯 我 你 您 他 她 它 们 我们 你们 他们 是 在 有 和 与 或 及 就 都 也 还 又 很 太",
    "这 那 这个 那个 一个 一下 请问 想问 问 问一下 咨询 什么 怎么 怎样 如何 哪里 哪儿 哪些 多少 几 可以 能",
    "能不能 可不可以 要 想 需要 应该 给 把 被 让 对 从 到 去 来 上 下 里 中 个 为 以 等 着 过 得 地 会 不 没",
    "没有 说 看 做 办 你好 您好 谢谢 麻烦 现在 今天 时候 东西 事情",
)
_SAYS_NOTHING = frozenset(word for line in _SAYS_NOTHING_LINES for word in line.split())
"""Words that stand in every question and tell none from another."""

_LONGEST_TEXT = 20_000


@lru_cache(maxsize=1)
def _cutter() -> jieba.Tokenizer:
    # jieba tells on stderr how long its dictionary took.
    jieba.setLogLevel(logging.WARNING)
    made = jieba.Tokenizer()
    made.initialize()
    return made


def words_of(text: str) -> list[str]:
    """The words of a text in its order, long ones also in their parts; without punctuation and empty words."""
    cut = _cutter().cut_for_search(text[:_LONGEST_TEXT].lower())
    return [word for word in map(str.strip, cut) if word.isalnum() and word not in _SAYS_NOTHING]


def sounds_of(words: Iterable[str]) -> list[str]:
    """How the words of two characters and more sound, in syllables without tones written together."""
    return ["".join(lazy_pinyin(word)) for word in words if len(word) > 1 and not word.isascii()]


@lru_cache(maxsize=20_000)
def sound_of(text: str) -> str:
    """How a whole text sounds, each character's syllable without tone, divided by blanks."""
    return " ".join(lazy_pinyin(text))
