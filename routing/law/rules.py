"""The rules of the five documents (config/rules.yaml), and what proves each: the table that docs/law.md is made of.

A rule of the software is proven by a law case that names it (tests/law/). A rule that only a person can apply says
why. Anything else is missing, and the tests fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from routing.jurisdiction import Jurisdiction
from routing.law.cases import Case, rules_of
from routing.law.provisions import RULE_ID
from settings import read_yaml

PREFIXES = {"YZ": "yazhou", "SY": "sanya", "SY18": "sanya", "YL": "yangling", "QH": "qionghai", "TP": "turpan"}
"""The jurisdiction whose document a rule's id begins with."""

Standing = Literal["proven", "person", "missing"]


class Rule(BaseModel):
    """One rule of a document. `where`: keys of the jurisdiction's file, or rooms of the program, that carry it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=RULE_ID)
    article: str
    phrase: str
    summary: str
    decided_by: Literal["software", "person"]
    where: tuple[str, ...]
    why: str = ""
    """Why only a person can apply it."""

    @property
    def jurisdiction(self) -> str:
        """The jurisdiction whose document it stands in."""
        return PREFIXES[self.id.split("-")[0]]


@dataclass(frozen=True)
class Proof:
    """A rule with the cases that prove it."""

    rule: Rule
    cases: tuple[Case, ...]

    @property
    def standing(self) -> Standing:
        """Cases may also show how the software supports what a person decides; it stays the person's."""
        if self.rule.decided_by == "person":
            return "person"
        return "proven" if self.cases else "missing"


def read(path: Path) -> list[Rule]:
    """The rules, in the order of the file.

    Raises ConfigurationError with file, line and key; also for a rule that is there twice or gives no reason why a
    person decides.
    """
    tree = read_yaml(path)
    rules = tree.as_list_of(Rule)
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        if rule.id in seen:
            raise tree.error((index, "id"), f"'{rule.id}' is there twice; each rule may be there once")
        if rule.decided_by == "person" and not rule.why:
            raise tree.error((index,), f"'{rule.id}' is a person's matter; `why` must say for what reason")
        seen.add(rule.id)
    return rules


def proofs(rules: Sequence[Rule], cases: Sequence[Case]) -> list[Proof]:
    """Every rule with its cases. Raises CaseError for a case that names a rule that is not there."""
    known = {rule.id for rule in rules}
    for case in cases:
        for rule in case.proves:
            if rule not in known:
                raise case.error(f"没有规则 {rule}；规则编号见 config/rules.yaml")
    proven = rules_of(cases)
    return [Proof(rule, tuple(proven.get(rule.id, ()))) for rule in rules]


def coverage(proofs: Sequence[Proof]) -> dict[str, Any]:
    """How many rules there are, are proven, are a person's matter, are missing (with their ids); per jurisdiction."""

    def counted(some: Sequence[Proof]) -> dict[str, Any]:
        standing = Counter(proof.standing for proof in some)
        return {
            "rules": len(some),
            "proven": standing["proven"],
            "person": standing["person"],
            "missing": [proof.rule.id for proof in some if proof.standing == "missing"],
        }

    names = list(dict.fromkeys(proof.rule.jurisdiction for proof in proofs))
    each = {name: counted([proof for proof in proofs if proof.rule.jurisdiction == name]) for name in names}
    return {**counted(proofs), "jurisdictions": each}


def values(where: str, jurisdiction: Jurisdiction, rule: str) -> Iterator[str]:
    """What the jurisdiction's file says at `where`, shortly: the provisions there that carry `rule`; where none names
    it, all of them. Nothing for a room of the program.
    """
    head, _, key = where.partition(".")
    if head == "law" and key in jurisdiction.law.provisions:
        versions = jurisdiction.law.provisions[key]
        for provision in [one for one in versions if one.rule == rule] or versions:
            given = provision.model_dump(mode="json", exclude_defaults=True, exclude={"article", "rule", "phrase"})
            yield f"{where}: {_short(given)}"
    elif head == "law":
        yield f"{where}: {getattr(jurisdiction.law, key)}"
    elif head in type(jurisdiction).model_fields:
        there = getattr(jurisdiction, head)
        if isinstance(there, tuple):
            yield f"{where}: {len(there)}"
        else:
            yield f"{where}: {_short(there.model_dump(mode='json')) if isinstance(there, BaseModel) else there}"


def _short(given: Mapping[str, Any]) -> str:
    parts = []
    for key, value in given.items():
        if isinstance(value, dict) and set(value) == {"value", "unit"}:
            parts.append(f"{key} {value['value']} {value['unit']}")
        elif isinstance(value, dict):
            parts.append(f"{key} {{{_short(value)}}}")
        elif isinstance(value, list):
            parts.append(f"{key} [{len(value)}]" if len(value) > 6 or any(isinstance(v, dict) for v in value)
                         else f"{key} [{', '.join(str(v) for v in value)}]")  # fmt: skip
        else:
            parts.append(f"{key} {value}")
    return ", ".join(parts)


def as_table(proofs: Sequence[Proof], documents: Mapping[str, str]) -> str:
    """docs/law.md. `documents`: what the document of each jurisdiction is called."""
    counts = coverage(proofs)
    lines = [
        "# 规则与证明",
        "",
        "本表由 `config/rules.yaml` 和 `tests/law/*.yaml` 生成（`server.py law table > docs/law.md`），请勿手改。",
        "一条规则要么由案例证明（案例由测试用真实的服务演算），要么写明为什么只能由人判断；否则测试不通过。",
        "",
        "| 地区 | 规则 | 由软件判断并有案例证明 | 由人判断 | 缺案例 |",
        "|---|---|---|---|---|",
    ]
    for name, of_one in counts["jurisdictions"].items():
        missing = len(of_one["missing"])
        lines.append(f"| {name} | {of_one['rules']} | {of_one['proven']} | {of_one['person']} | {missing} |")
    lines.append(f"| 合计 | {counts['rules']} | {counts['proven']} | {counts['person']} | {len(counts['missing'])} |")
    for name in counts["jurisdictions"]:
        lines += [
            "",
            f"## {name}：{documents[name]}",
            "",
            "| 规则 | 条文 | 原文 | 写在哪里 | 证明 |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(proof) for proof in proofs if proof.rule.jurisdiction == name]
    return "\n".join(lines) + "\n"


def _row(proof: Proof) -> str:
    rule = proof.rule
    by_file: dict[str, list[str]] = {}
    for case in proof.cases:
        by_file.setdefault(case.file.name, []).append(f"（{case.elsewhere}）" if case.elsewhere else case.name)
    shown = "<br>".join(f"{file}：{'；'.join(names)}" for file, names in by_file.items())
    if proof.standing == "person":
        shown = f"由人判断：{rule.why}" + (f"<br>{shown}" if shown else "")
    elif proof.standing == "missing":
        shown = "**缺案例**"
    where = "、".join(f"`{one}`" for one in rule.where)
    return f"| {rule.id} | {rule.article} | {_cell(rule.phrase)} | {where} | {_cell(shown)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
