"""Which units a matter goes to: lead and assisting, each with its reason and rule; a person decides (YZ-14 [H]).

This is for a ticket whose matter and place are known. While the caller still speaks, routing.reading.proposal ranks
what was heard; what it proposed, and what a person made of it, comes in here as the ticket's values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal

from routing.dispatching.whereabouts import entry, whereabouts
from routing.jurisdiction import Gap, Jurisdiction, Matter, OutsideUnit, Place
from routing.law.law import Law
from routing.law.provisions import Discipline, JointHandling, Principle


@dataclass(frozen=True)
class Facts:
    """What is known of a ticket. Ids of the jurisdiction; empty: not known.

    `named`: units that the caller named or a person chose; `gave_back`: units whose return the centre accepted;
    `discipline`: it is about party members who broke discipline; `leader_unit`: the unit of the leader who answered.
    """

    matter: str = ""
    place: str = ""
    """The gazetteer's name or the text of the place."""
    intent: str = ""
    urgency: str = ""
    handling_class: str = ""
    named: tuple[str, ...] = ()
    gave_back: tuple[str, ...] = ()
    discipline: bool = False
    leader_unit: str = ""


@dataclass(frozen=True)
class Owner:
    """A unit and its part in the ticket. `platform`: where it is reached when it is no member unit."""

    unit: str
    name: str
    role: Literal["lead", "assist"]
    reason: str
    rule: str
    platform: str = ""


@dataclass(frozen=True)
class Owners:
    """The lead first. `questions`: what stays open for the person who dispatches; no owner without a question.

    `restricted_to`: the only unit that may see it; `ground`: the ground on which it should be refused instead;
    `line`: the number that the caller is told and connected to.
    """

    owners: tuple[Owner, ...] = ()
    functional: str = ""
    territorial: str = ""
    restricted_to: str = ""
    ground: str = ""
    line: str = ""
    questions: tuple[str, ...] = ()

    @property
    def lead(self) -> Owner | None:
        """The unit that leads, or None while that is open."""
        return self.owners[0] if self.owners and self.owners[0].role == "lead" else None

    @property
    def assisting(self) -> tuple[str, ...]:
        """Ids of the units that assist."""
        return tuple(owner.unit for owner in self.owners if owner.role == "assist")


def owners_of(jurisdiction: Jurisdiction, facts: Facts, on: date) -> Owners:
    """Who should handle it by what is in force `on` that day. Pure. Unknown ids count as not known."""
    matter = _matters(jurisdiction).get(facts.matter)
    provision = jurisdiction.law.on(on).discipline
    if provision is not None and (facts.discipline or (matter is not None and provision.unit in matter.units)):
        return _discipline(jurisdiction, provision)
    place = entry(jurisdiction, facts.place) or whereabouts(jurisdiction, facts.place).place
    return _Search(jurisdiction, facts, on, matter, place).run()


def lead_after_returns(
    jurisdiction: Jurisdiction, facts: Facts, returned: Sequence[str], on: date
) -> tuple[Owner, ...]:
    """Who may lead the verifying with the caller after several units gave a ticket back (YZ-21), best first.

    `returned`: the units that gave it back, the first dispatch first. Empty while fewer have than the law asks for.
    """
    returns = jurisdiction.law.on(on).returns
    units = list(dict.fromkeys(returned))
    if returns is None or returns.lead_after_units is None or len(units) < returns.lead_after_units:
        return ()
    catalogue = owners_of(jurisdiction, facts, on).lead
    first = [catalogue.unit] if catalogue is not None else []
    why = f"已有 {len(units)} 个单位退单，须由主办单位牵头核实并对接诉求人（{returns.article}）"
    reasons = {unit: f"{why}；首次派往该单位" if unit == units[0] else why for unit in units}
    if first:
        reasons[first[0]] = f"{why}；事项目录中的主办单位"
    return tuple(
        _owner(jurisdiction, unit, "lead", reasons[unit], returns.rule) for unit in dict.fromkeys([*first, *units])
    )


def _discipline(jurisdiction: Jurisdiction, provision: Discipline) -> Owners:
    if provision.action == "refuse" or provision.unit is None:
        question = f"党员干部违纪事项，按{provision.article}不予受理；请核对依据并告知诉求人"
        return Owners(ground=provision.ground or "", questions=(question,))
    reason = f"涉及党员干部违纪违规，只转纪检监察部门，其他单位不可见（{provision.article}）"
    owner = _owner(jurisdiction, provision.unit, "lead", reason, provision.rule)
    return Owners((owner,), functional=provision.unit, restricted_to=provision.unit)


@dataclass(frozen=True)
class _Search:
    jurisdiction: Jurisdiction
    facts: Facts
    on: date
    matter: Matter | None
    place: Place | None

    @property
    def law(self) -> Law:
        return self.jurisdiction.law.on(self.on)

    def run(self) -> Owners:
        leading, questions, line = self._by_function()
        territory = self._territory()
        if territory is not None:
            leading = self._with_territory(leading, territory)
        elif self.matter is not None and (self.matter.territorial_leads or self.matter.territorial_assists):
            questions.append("地点不明，无法确定属地单位，请向诉求人核实")
        if self.facts.leader_unit:
            leading = [self._leader(), *(one for one in leading if one.unit != self.facts.leader_unit)]
        # Whoever gave it back with good reason does not get it again.
        leading = [one for one in leading if one.unit not in self.facts.gave_back]
        if not leading and not line and self._is_emergency():
            leading, more = self._stepping_in(territory)
            questions.extend(more)
        owners = _with_roles(leading, self.law.joint)
        if not owners and not questions:
            questions.append("没有确定的承办单位，请人工指定")
        return Owners(
            owners=owners,
            functional=next((one.unit for one in owners if one.unit != (territory and territory.unit)), ""),
            territorial=territory.unit if territory is not None else "",
            line=line,
            questions=tuple(questions),
        )

    def _by_function(self) -> tuple[list[Owner], list[str], str]:
        """Units by the subject, the lead first; what stays open; the line that the caller is connected to."""
        matter = self.matter
        if matter is None:
            return [self._named(unit) for unit in self._known(self.facts.named)], ["事项不明，请先确定事项"], ""
        principle = self._principle("function_and_territory") or self._principle("function")
        rule = principle.rule if principle else ""
        article = principle.article if principle else self.jurisdiction.routing_article
        questions: list[str] = []
        line = matter.line or ""
        found: list[Owner] = []
        gap = next((gap for gap in self.jurisdiction.gaps if gap.id == matter.gap), None)
        if gap is not None:
            line = line or gap.line or ""
            found, questions = self._of_gap(gap, rule)
        named = self._known(self.facts.named)
        if matter.named_unit_handles:
            if named:
                found.extend(self._named(unit) for unit in named)
            else:
                questions.append(f"“{matter.name}”由诉求人所说的单位办理，请问明是哪个单位")
        if gap is not None and gap.unit is None and line:
            # The line handles it; the catalogue's units are only proposed to the agent, beside the line.
            return found, questions, line
        choice = [unit for unit in matter.units if unit in named] or list(matter.units)
        for unit in choice:
            reason = f"“{matter.name}”的职能单位：{self.jurisdiction.matters_source}（{article}）"
            found.append(_owner(self.jurisdiction, unit, "lead", reason, rule))
        return found, questions, line

    def _of_gap(self, gap: Gap, rule: str) -> tuple[list[Owner], list[str]]:
        reason = f"{gap.topic}：{gap.missing}不是成员单位；{gap.reason}（{gap.article}）"
        if gap.unit is not None:
            return [_owner(self.jurisdiction, gap.unit, "lead", reason, rule)], []
        return [], [reason]

    def _named(self, unit: str) -> Owner:
        article = self.jurisdiction.article_of_unit[unit]
        principle = self._principle("function_and_territory") or self._principle("function")
        return _owner(
            self.jurisdiction, unit, "lead", f"诉求人说到该单位（{article}）", principle.rule if principle else ""
        )

    def _territory(self) -> Owner | None:
        if self.place is None or self.place.unit is None:
            return None
        principle = self._principle("function_and_territory") or self._principle("territory_first")
        article = principle.article if principle else self.jurisdiction.routing_article
        reason = f"“{self.place.name}”属{self.jurisdiction.units[self.place.unit].short}（{article}）"
        return _owner(self.jurisdiction, self.place.unit, "assist", reason, principle.rule if principle else "")

    def _with_territory(self, leading: list[Owner], territory: Owner) -> list[Owner]:
        others = [one for one in leading if one.unit != territory.unit]
        if levels := self._principle("levels"):
            return [_because(territory, f"“{levels.phrase}”（{levels.article}）", levels.rule), *others]
        if first := self._principle("territory_first"):
            return [_because(territory, f"“{first.phrase}”（{first.article}）", first.rule), *others]
        if self.matter is None or territory.unit in (one.unit for one in leading):
            return leading
        if self.matter.territorial_leads:
            return [_because(territory, "属地主办", territory.rule), *others]
        # Where nobody leads yet, whoever only assists must not slip into the lead.
        assists = self.matter.territorial_assists and bool(leading)
        return [*leading, _because(territory, "属地协办", territory.rule)] if assists else leading

    def _leader(self) -> Owner:
        provision = self.law.leader_sessions
        article = provision.article if provision else ""
        rule = provision.rule if provision else ""
        reason = f"领导接听电话活动交办，由接电单位包案解决（{article}）"
        return _owner(self.jurisdiction, self.facts.leader_unit, "lead", reason, rule)

    def _stepping_in(self, territory: Owner | None) -> tuple[list[Owner], list[str]]:
        """Who makes an emergency safe when nobody is clearly in charge."""
        if principle := self._principle("unclear_sector"):
            because = f"归属不明的应急事项：“{principle.phrase}”（{principle.article}）"
            if self.matter is not None and self.matter.units:
                return [_owner(self.jurisdiction, self.matter.units[0], "lead", because, principle.rule)], []
            return [], [f"{because}；请指定行业主管部门，立即电话通知"]
        if principle := self._principle("unclear_territory"):
            because = f"归属不明的应急事项：“{principle.phrase}”（{principle.article}）"
            if territory is not None:
                return [_owner(self.jurisdiction, territory.unit, "lead", because, principle.rule)], []
            return [], [f"{because}；请问明地点以确定属地"]
        return [], ["应急事项没有明确的承办单位，请立即指定并电话通知"]

    def _is_emergency(self) -> bool:
        ordinary = self.jurisdiction.urgencies[0].id
        return self.facts.urgency not in ("", ordinary)

    def _known(self, units: Sequence[str]) -> list[str]:
        return [unit for unit in units if unit in self.jurisdiction.units]

    def _principle(self, kind: str) -> Principle | None:
        facts = self.facts
        handling_class = facts.handling_class or (self.matter.handling_class if self.matter else "")
        fitting = (
            principle
            for principle in self.law.principles
            if principle.kind == kind and principle.applies.covers(facts.intent, handling_class, facts.urgency)
        )
        return next(fitting, None)


def _because(owner: Owner, reason: str, rule: str) -> Owner:
    return Owner(owner.unit, owner.name, owner.role, f"{owner.reason}；{reason}", rule, owner.platform)


def _with_roles(leading: list[Owner], joint: JointHandling | None) -> tuple[Owner, ...]:
    unique = list({one.unit: one for one in reversed(leading)}.values())[::-1]
    made = []
    for position, one in enumerate(unique):
        role: Literal["lead", "assist"] = "assist" if position else "lead"
        reason, rule = one.reason, one.rule
        if joint is not None and len(unique) > 1:
            part = joint.assist if position else joint.lead
            reason = f"{reason}；{part}（{joint.article}）"
        made.append(Owner(one.unit, one.name, role, reason, rule, one.platform))
    return tuple(made)


def _owner(jurisdiction: Jurisdiction, unit: str, role: Literal["lead", "assist"], reason: str, rule: str) -> Owner:
    known = jurisdiction.units[unit]
    platform = known.platform if isinstance(known, OutsideUnit) else ""
    return Owner(unit, known.name, role, reason, rule, platform)


@lru_cache(maxsize=8)
def _matters(jurisdiction: Jurisdiction) -> dict[str, Matter]:
    return {matter.id: matter for matter in jurisdiction.matters}
