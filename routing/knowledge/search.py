"""Full-text search in the published items: SQLite's FTS5 or PostgreSQL's tsvector, both over words that jieba cut.

The database finds the candidates and ranks them roughly; the best of them are ranked again here, the same way for
both: a word counts by its length (long words tell more), by where it stands, and a word that only sounds the same
counts less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.knowledge.tables import KnowledgeItem, KnowledgeVersion
from routing.knowledge.words import sound_of, sounds_of, words_of
from routing.life import given

RULE = "YZ-14(1)"
_LONGEST_QUESTION = 200
_CANDIDATES = 40
_ENOUGH = 10
"""With so many items that hold all the words, those that hold only some are not looked for."""
_IN_TITLE, _IN_KEYWORDS, _IN_BODY, _SOUNDS = 4.0, 3.0, 1.0, 1.5
_WHOLE_QUESTION = 5.0
_SNIPPET = 60

_PUT_SQLITE = text(
    "INSERT INTO knowledge_search (rowid, title, keywords, body, sounds) "
    "VALUES (:item_id, :title, :keywords, :body, :sounds)"
)
_FIND_SQLITE = text(
    "SELECT rowid AS item_id FROM knowledge_search WHERE knowledge_search MATCH :query "
    "ORDER BY bm25(knowledge_search, 8, 6, 1, 1.5) LIMIT :most"
)
_PUT_POSTGRES = text(
    "INSERT INTO knowledge_search (item_id, heads, words) "
    "VALUES (:item_id, CAST(:heads AS tsvector), CAST(:words AS tsvector))"
)
_TAKE_SQLITE = text("DELETE FROM knowledge_search WHERE rowid = :item_id")
_TAKE_POSTGRES = text("DELETE FROM knowledge_search WHERE item_id = :item_id")
_FIND_POSTGRES = {
    column: text(
        f"SELECT item_id FROM knowledge_search, CAST(:query AS tsquery) AS asked WHERE {column} @@ asked "  # noqa: S608
        f"ORDER BY ts_rank('{{0.1, 0.2, 0.6, 1.0}}', {column}, asked, 1) DESC, item_id LIMIT :most"
    )
    for column in ("heads", "words")
}

_TIERS = (("heads", True, _ENOUGH), ("words", True, _ENOUGH), ("heads", False, 1), ("words", False, 1))
"""Where it is looked, whether an item must hold all the words, and how many items are enough to look no further.

Title and keywords (heads) come first: they are short, so that even a word of thousands of items is ranked quickly.
"""

# Columns, not objects: of the candidates only a few are shown, and all are read for every question.
_READ = (
    select(
        KnowledgeVersion.item_id,
        KnowledgeVersion.number,
        KnowledgeVersion.title,
        KnowledgeVersion.keywords,
        KnowledgeVersion.body,
        KnowledgeVersion.matter,
        KnowledgeVersion.source,
        KnowledgeVersion.valid_from,
        KnowledgeVersion.valid_until,
        KnowledgeVersion.review_by,
        KnowledgeItem.owner_unit,
        KnowledgeItem.used,
    )
    .join(KnowledgeItem, KnowledgeItem.id == KnowledgeVersion.item_id)
    .where(KnowledgeItem.id.in_(bindparam("ids", expanding=True)))
    .where(KnowledgeVersion.number == KnowledgeItem.published)
)


@dataclass(frozen=True)
class Found:
    """An item that may answer the question. `score` grows with the match; `snippet` is the part of the text."""

    item_id: int
    number: int
    title: str
    snippet: str
    owner_unit: str
    matter: str
    source: str
    review_by: date
    stale: bool
    used: int
    score: float


async def search(centre: Centre, question: str, *, limit: int = 10) -> list[Found]:
    """Published items that hold today and answer `question`, the best first. Raises BadValue for nonsense."""
    asked = given.text("question", question, rule=RULE, what="要查的问题", required=False, limit=_LONGEST_QUESTION)
    words = list(dict.fromkeys(words_of(asked)))
    if not words:
        return []
    today = centre.calendar.day_of(centre.now())
    async with centre.db.session() as session:
        ids = await _candidates(session, words)
        rows = (await session.execute(_READ, {"ids": ids})).all()
    place = {item_id: position for position, item_id in enumerate(ids)}
    scored = [
        (_score(row.title, row.keywords, row.body, words, asked), row)
        for row in rows
        if row.valid_from <= today and (row.valid_until is None or today <= row.valid_until)
    ]
    scored.sort(key=lambda one: (-one[0], place[one[1].item_id]))
    return [
        Found(
            item_id=row.item_id,
            number=row.number,
            title=row.title,
            snippet=_snippet(row.body, words),
            owner_unit=row.owner_unit,
            matter=row.matter,
            source=row.source,
            review_by=row.review_by,
            stale=row.review_by < today,
            used=row.used,
            score=score,
        )
        for score, row in scored[:limit]
    ]


async def put(session: AsyncSession, *versions: KnowledgeVersion) -> None:
    """Make these versions the ones that are found for their items."""
    await take_out(session, *(version.item_id for version in versions))
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    rows = [_row_sqlite(version) if on_sqlite else _row_postgres(version) for version in versions]
    await session.execute(_PUT_SQLITE if on_sqlite else _PUT_POSTGRES, rows)


async def take_out(session: AsyncSession, *item_ids: int) -> None:
    """Let these items be found no more."""
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    await session.execute(_TAKE_SQLITE if on_sqlite else _TAKE_POSTGRES, [{"item_id": one} for one in item_ids])


def _row_sqlite(version: KnowledgeVersion) -> dict[str, object]:
    title, keywords, body, sounds = _words(version)
    columns = {"title": title, "keywords": keywords, "body": body, "sounds": sounds}
    return {"item_id": version.item_id} | {name: " ".join(words) for name, words in columns.items()}


def _row_postgres(version: KnowledgeVersion) -> dict[str, object]:
    title, keywords, body, sounds = _words(version)
    heads = [(title, "A"), (keywords, "B"), (sounds, "C")]
    return {"item_id": version.item_id, "heads": _vector(heads), "words": _vector([*heads, (body, "D")])}


def _words(version: KnowledgeVersion) -> tuple[list[str], list[str], list[str], list[str]]:
    """The words of title, keywords and body, and how the first two sound."""
    title, keywords = words_of(version.title), words_of(version.keywords)
    return title, keywords, words_of(version.body), sounds_of([*title, *keywords])


async def _candidates(session: AsyncSession, words: Sequence[str]) -> list[int]:
    """Items that hold all the words (or their sounds); where these are few, also those that hold some of them."""
    # Single characters stand in nearly every item; they only rank, unless there is nothing else.
    telling = [word for word in words if len(word) > 1] or list(words)
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    groups = [[word, *sounds_of([word])] for word in telling]
    ids: list[int] = []
    for where, every, enough in _TIERS:
        if on_sqlite:
            either = [" OR ".join(f'"{word}"' for word in group) for group in groups]
            query = (" AND " if every else " OR ").join(f"({one})" for one in either)
            query = f"{{title keywords sounds}} : ({query})" if where == "heads" else query
            found = await session.execute(_FIND_SQLITE, {"query": query, "most": _CANDIDATES})
        else:
            either = [" | ".join(_quoted(word) for word in group) for group in groups]
            query = (" & " if every else " | ").join(f"({one})" for one in either)
            found = await session.execute(_FIND_POSTGRES[where], {"query": query, "most": _CANDIDATES})
        ids += [row.item_id for row in found if row.item_id not in ids]
        if len(ids) >= enough:
            break
    return ids


def _vector(weighted: list[tuple[list[str], str]]) -> str:
    """A tsvector as text: written here, because PostgreSQL's own parser drops Chinese under the locale C."""
    places: dict[str, list[str]] = {}
    position = 0
    for words, weight in weighted:
        for word in words:
            # Positions end at 16383, a word's at 256; further words still match.
            position = min(position + 1, 16383)
            places.setdefault(word, []).append(f"{position}{weight}")
    return " ".join(f"{_quoted(word)}:{','.join(where[:200])}" for word, where in places.items())


def _quoted(word: str) -> str:
    # Words are alphanumeric (routing.knowledge.words): nothing in them needs escaping.
    return f"'{word}'"


def _score(title: str, keywords: str, body: str, words: Sequence[str], asked: str) -> float:
    title, keywords, body = title.lower(), keywords.lower(), body.lower()
    score, possible = 0.0, 0.0
    for word in words:
        weight = float(min(len(word), 4) ** 2) if not word.isascii() else 4.0
        possible += weight * _IN_TITLE
        if word in title:
            score += weight * _IN_TITLE
        elif word in keywords:
            score += weight * _IN_KEYWORDS
        elif len(word) > 1 and sound_of(word) in sound_of(f"{title} {keywords}"):
            score += weight * _SOUNDS
        elif word in body:
            score += weight * _IN_BODY
    if asked.lower() in title or asked.lower() in keywords:
        score += _WHOLE_QUESTION
    return round(score / (possible + _WHOLE_QUESTION), 4)


def _snippet(body: str, words: Sequence[str]) -> str:
    """The part of the text around the first of the longest words that stands in it."""
    lower = body.lower()
    first = next((lower.find(word) for word in sorted(words, key=len, reverse=True) if word in lower), 0)
    begin = max(0, first - _SNIPPET // 3)
    cut = body[begin : begin + _SNIPPET].strip()
    return ("…" if begin else "") + cut + ("…" if begin + _SNIPPET < len(body) else "")
