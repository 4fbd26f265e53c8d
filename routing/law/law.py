"""The whole law of one jurisdiction: all its provisions, over time and as they hold on one day.

The file holds all versions of a provision (LawOverTime); whoever applies the law asks for one day's:
`jurisdiction.law.on(day)`, or `jurisdiction.law_at(moment)`, gives a Law.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date
from functools import cached_property
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from routing.law.provisions import (
    AnsweredAtOnce,
    Appeal,
    Approval,
    Archive,
    CallbackPolicy,
    Channels,
    Cluster,
    CompletionForm,
    Contacts,
    Criticism,
    DirectList,
    Discipline,
    EmergencyDuties,
    Escalation,
    Extension,
    FinalOpinion,
    FirstContact,
    Forwarded,
    Guide,
    JointHandling,
    KnowledgeDuties,
    LeaderSessions,
    Levels,
    Limit,
    NoBlockList,
    NoExtension,
    Nuisance,
    OnSiteExperts,
    OtherLaw,
    Part,
    PoliceLinkage,
    PreReview,
    Principle,
    Provision,
    Redo,
    Referral,
    Refusal,
    RefusalGround,
    Repeats,
    Retention,
    Returns,
    Roster,
    Satisfaction,
    Scoring,
    SecrecyRule,
    Statistics,
    Training,
    TruthReminder,
    Upstream,
    Violation,
)


def _versions(value: Any) -> Any:
    """One provision may stand alone; several versions of it are a list."""
    return [value] if isinstance(value, dict) else value


_Versions = BeforeValidator(_versions)


class Law(Part):
    """What holds on one day. A list that is empty or a value that is null: the document is silent."""

    channels: Channels | None
    callers: tuple[str, ...]
    levels: Levels | None
    upstream: Upstream | None
    limits: tuple[Limit, ...]
    accept_inside_complete: bool | None
    other_law: OtherLaw | None
    extensions: tuple[Extension, ...]
    no_extension: tuple[NoExtension, ...]
    returns: Returns | None
    approvals: tuple[Approval, ...]
    redo: Redo | None
    refusal_grounds: tuple[RefusalGround, ...]
    refusal: Refusal | None
    referrals: tuple[Referral, ...]
    principles: tuple[Principle, ...]
    repeats: Repeats | None
    discipline: Discipline | None
    first_contact: FirstContact | None
    answered_at_once: AnsweredAtOnce | None
    forwarded: Forwarded | None
    emergencies: EmergencyDuties | None
    guide: Guide | None
    police_linkage: PoliceLinkage | None
    nuisance: Nuisance | None
    no_block_list: NoBlockList | None
    pre_review: PreReview | None
    joint: JointHandling | None
    completion_forms: tuple[CompletionForm, ...]
    escalations: tuple[Escalation, ...]
    archive: Archive | None
    satisfaction: Satisfaction | None
    callback: CallbackPolicy | None
    appeals: tuple[Appeal, ...]
    violations: tuple[Violation, ...]
    criticism: Criticism | None
    statistics: Statistics | None
    scoring: Scoring | None
    on_site_experts: OnSiteExperts | None
    contacts: Contacts | None
    roster: Roster | None
    knowledge: KnowledgeDuties | None
    training: Training | None
    leader_sessions: LeaderSessions | None
    direct_lists: tuple[DirectList, ...]
    final_opinion: FinalOpinion | None
    secrecy: SecrecyRule | None
    retention: Retention | None
    cluster: Cluster | None
    truth_reminder: TruthReminder | None
    warn_at: tuple[float, ...]
    """Fractions of a limit at which a warning is given before it is missed."""


class LawOverTime(Part):
    """The `law` part of a file: every provision with all its versions, each since its own day."""

    channels: Annotated[tuple[Channels, ...], _Versions] = ()
    callers: tuple[str, ...] = ()
    levels: Annotated[tuple[Levels, ...], _Versions] = ()
    upstream: Annotated[tuple[Upstream, ...], _Versions] = ()
    limits: tuple[Limit, ...] = ()
    accept_inside_complete: bool | None = None
    other_law: Annotated[tuple[OtherLaw, ...], _Versions] = ()
    extensions: tuple[Extension, ...] = ()
    no_extension: tuple[NoExtension, ...] = ()
    returns: Annotated[tuple[Returns, ...], _Versions] = ()
    approvals: tuple[Approval, ...] = ()
    redo: Annotated[tuple[Redo, ...], _Versions] = ()
    refusal_grounds: tuple[RefusalGround, ...] = ()
    refusal: Annotated[tuple[Refusal, ...], _Versions] = ()
    referrals: tuple[Referral, ...] = ()
    principles: tuple[Principle, ...] = ()
    repeats: Annotated[tuple[Repeats, ...], _Versions] = ()
    discipline: Annotated[tuple[Discipline, ...], _Versions] = ()
    first_contact: Annotated[tuple[FirstContact, ...], _Versions] = ()
    answered_at_once: Annotated[tuple[AnsweredAtOnce, ...], _Versions] = ()
    forwarded: Annotated[tuple[Forwarded, ...], _Versions] = ()
    emergencies: Annotated[tuple[EmergencyDuties, ...], _Versions] = ()
    guide: Annotated[tuple[Guide, ...], _Versions] = ()
    police_linkage: Annotated[tuple[PoliceLinkage, ...], _Versions] = ()
    nuisance: Annotated[tuple[Nuisance, ...], _Versions] = ()
    no_block_list: Annotated[tuple[NoBlockList, ...], _Versions] = ()
    pre_review: Annotated[tuple[PreReview, ...], _Versions] = ()
    joint: Annotated[tuple[JointHandling, ...], _Versions] = ()
    completion_forms: tuple[CompletionForm, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    archive: Annotated[tuple[Archive, ...], _Versions] = ()
    satisfaction: Annotated[tuple[Satisfaction, ...], _Versions] = ()
    callback: Annotated[tuple[CallbackPolicy, ...], _Versions] = ()
    appeals: tuple[Appeal, ...] = ()
    violations: tuple[Violation, ...] = ()
    criticism: Annotated[tuple[Criticism, ...], _Versions] = ()
    statistics: Annotated[tuple[Statistics, ...], _Versions] = ()
    scoring: Annotated[tuple[Scoring, ...], _Versions] = ()
    on_site_experts: Annotated[tuple[OnSiteExperts, ...], _Versions] = ()
    contacts: Annotated[tuple[Contacts, ...], _Versions] = ()
    roster: Annotated[tuple[Roster, ...], _Versions] = ()
    knowledge: Annotated[tuple[KnowledgeDuties, ...], _Versions] = ()
    training: Annotated[tuple[Training, ...], _Versions] = ()
    leader_sessions: Annotated[tuple[LeaderSessions, ...], _Versions] = ()
    direct_lists: tuple[DirectList, ...] = ()
    final_opinion: Annotated[tuple[FinalOpinion, ...], _Versions] = ()
    secrecy: Annotated[tuple[SecrecyRule, ...], _Versions] = ()
    retention: Annotated[tuple[Retention, ...], _Versions] = ()
    cluster: Annotated[tuple[Cluster, ...], _Versions] = ()
    truth_reminder: Annotated[tuple[TruthReminder, ...], _Versions] = ()
    warn_at: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.8)
    """TP-29 wants warnings before a limit is missed; the fractions are the centre's."""

    @cached_property
    def provisions(self) -> dict[str, tuple[Provision, ...]]:
        """All versions of all provisions, by the key under which they stand."""
        return {key: getattr(self, key) for key in type(self).model_fields if key not in PLAIN}

    @cached_property
    def _turns(self) -> list[date]:
        held = [one for versions in self.provisions.values() for one in versions]
        return sorted({one.since for one in held} | {one.until for one in held if one.until is not None})

    @cached_property
    def _by_turn(self) -> dict[int, Law]:
        return {}

    def on(self, day: date) -> Law:
        """What holds on `day`, a day of the jurisdiction's timezone; before the first document: nothing."""
        turn = bisect_right(self._turns, day)
        if turn not in self._by_turn:
            self._by_turn[turn] = self._made(day)
        return self._by_turn[turn]

    def _made(self, day: date) -> Law:
        parts: dict[str, Any] = {key: getattr(self, key) for key in PLAIN}
        for key, versions in self.provisions.items():
            held = tuple(one for one in versions if one.holds_on(day))
            parts[key] = held if key in LISTS else next(iter(held), None)
        return Law(**parts)


LISTS = frozenset(
    {
        "limits",
        "extensions",
        "no_extension",
        "approvals",
        "refusal_grounds",
        "referrals",
        "principles",
        "completion_forms",
        "escalations",
        "appeals",
        "violations",
        "direct_lists",
    }
)
"""The keys under which several provisions hold at once; of all others at most one does."""

PLAIN = frozenset({"callers", "accept_inside_complete", "warn_at"})
"""The keys that hold no provisions."""
