"""The provisions of a regulation, as data: what stands in the `law` part of config/jurisdictions/NAME.yaml.

Every provision names its article and the rule of the specification that it carries, and the dates between which it
holds. Where a document is silent the value is null: nobody guesses. Where the project has ruled on a contradiction
or a silence, `ruling` names the ruling (C1, S10, ...), so that it is never mistaken for the document's own words.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Duration = Literal["minute", "hour", "calendar_day", "working_day"]
"""Minutes, hours and calendar days run around the clock (S11); only working days need the calendar."""

ClockKind = Literal[
    "contact",
    "start",
    "safety",
    "sign",
    "accept",
    "return",
    "complete",
    "redo",
    "return_review",
    "result_review",
    "callback",
]
"""contact: the caller and the centre are contacted; start: the emergency is being handled; safety: protection on the
scene; sign, accept: the unit confirms receipt; return: until then the unit may give it back; complete: the result is
submitted; redo: the same after a redo; return_review, result_review: the centre decides; callback: the citizen is
called back."""

StartsAt = Literal["dispatch", "return", "submission", "redo", "review", "unsolved", "supervision"]
"""The event that starts a clock: the ticket reached the unit, was returned, its result was submitted, was sent back
to be redone, was reviewed; the citizen said at callback that nothing was done or solved; it was put under
supervision for being overdue."""

Role = Literal[
    "agent",
    "shift_manager",
    "center_office",
    "unit_clerk",
    "unit_leader",
    "unit_head",
    "on_duty_chief",
    "district_leadership",
    "discipline",
    "telecom_admin",
    "auditor",
]
"""Who acts: agent 坐席, shift_manager 当班管理岗, center_office 中心管理办公室, unit_clerk 信息采编员, unit_leader
分管领导, unit_head 主要负责人, on_duty_chief 值班局长, district_leadership 区委区政府, discipline 纪委监委."""


RULE_ID = r"^((YZ|SY|YL|QH|TP)-[0-9]+[a-z]?(\([0-9]+\))?|SY18-[0-5])$"
"""How a rule of the specification is named; config/rules.yaml lists them."""


class Part(BaseModel):
    """A piece of the law: nothing unknown in it, and nobody changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Amount(Part):
    """A length of time in the document's own unit."""

    value: int = Field(gt=0, le=10_000)
    unit: Duration


class Provision(Part):
    """What every provision has: where it stands, which rule of the specification it carries, and when it holds."""

    article: str = Field(min_length=1)
    rule: str = Field(pattern=RULE_ID)
    ruling: str | None = Field(default=None, pattern=r"^[CS][0-9]+$")
    """The ruling that made it, where the document does not say it in these words."""
    adopted: str | None = None
    """The document of another jurisdiction from which the project takes it, where the own one is silent."""
    since: date
    until: date | None = None
    """The first day on which it no longer holds; None: it still does."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Provision:
        if self.until is not None and self.until <= self.since:
            raise ValueError(f"until {self.until} must be after since {self.since}")
        return self

    def holds_on(self, day: date) -> bool:
        """Whether it is in force on `day` (a day of the jurisdiction's timezone)."""
        return self.since <= day and (self.until is None or day < self.until)


class Applies(Part):
    """The tickets that a provision is for; an empty list means all."""

    intents: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    urgencies: tuple[str, ...] = ()

    def covers(self, intent: str, handling_class: str, urgency: str) -> bool:
        """Whether a ticket of this kind is meant."""
        return (
            (not self.intents or intent in self.intents)
            and (not self.classes or handling_class in self.classes)
            and (not self.urgencies or urgency in self.urgencies)
        )

    def meets(self, other: Applies) -> bool:
        """Whether some ticket is meant by both."""
        return all(
            not mine or not its or set(mine) & set(its)
            for mine, its in (
                (self.intents, other.intents),
                (self.classes, other.classes),
                (self.urgencies, other.urgencies),
            )
        )


class Limit(Provision):
    """One clock for one kind of tickets. `limit` null: the document names the duty but no number.

    `at_once`: the document says 第一时间: the duty is shown, and no clock can be missed. `set_by`: the document
    leaves the length to this role, who gives it each time (YZ-20).
    """

    clock: ClockKind
    starts: StartsAt = "dispatch"
    applies: Applies = Applies()
    limit: Amount | None
    at_once: bool = False
    set_by: Role | None = None
    phrase: str = Field(min_length=1)
    """The document's words."""

    @model_validator(mode="after")
    def _a_number_or_a_reason(self) -> Limit:
        if self.limit is not None and (self.at_once or self.set_by):
            raise ValueError("a limit with a number is neither at_once nor set_by a role; take one of them out")
        return self


class OtherLaw(Provision):
    """Whether another law's limit replaces the regulation's: any, or only a stricter one."""

    direction: Literal["any", "stricter_only"]
    applies: Applies = Applies()


class Extension(Provision):
    """How far a limit may be put off (延期). Tickets that none covers cannot be extended: nothing allows it.

    `max_times` null: no number in the document. A NoExtension that covers the ticket too goes before.
    """

    applies: Applies = Applies()
    max_times: int | None = Field(default=None, ge=1)
    max_each: Amount | None = None
    max_total: Amount | None = None
    """The most that all extensions of a ticket may add together."""
    not_beyond_legal_limit: bool = False
    """Where another law sets a limit, no extension goes beyond it (TP-17(1))."""
    ask_before_due: Amount | None = None
    """How long before the limit it must be asked for; None: at any moment before."""
    must_state: tuple[str, ...] = ()
    approver: Role
    tell_caller: bool = False


class NoExtension(Provision):
    """Tickets that cannot be extended; `redo`: limits of a redo cannot either."""

    applies: Applies = Applies()
    redo: bool = False


class Returns(Provision):
    """What a unit must say to give a ticket back (退单), and what follows."""

    reason_required: bool = True
    basis_required: bool = False
    safety_statement: bool = False
    """Where the matter is a hazard, the unit says what it did to make it safe (YZ-15)."""
    reviewed_by: Role
    rejected_locks: bool | None = None
    """After a rejected return the unit may not return the ticket again; None: the document does not say."""
    determined_locks: bool | None = None
    """A unit that was determined by the dispute steps may not return the ticket (TP-16)."""
    dispute_steps: tuple[str, ...] = ()
    """How it is settled who is responsible, from the first step to the last."""
    lead_after_units: int | None = Field(default=None, ge=2)
    """Returned by so many units: a lead unit verifies with the caller."""


class Approval(Provision):
    """Who approves a result inside the unit, in this order, before it may be submitted."""

    applies: Applies = Applies()
    redo: bool = False
    """For the results of redos; otherwise for first results."""
    roles: tuple[Role, ...] = Field(min_length=1)


class Redo(Provision):
    """When a result is sent back to be done again (重办). `findings`: what the centre must have found, all of them."""

    findings: tuple[str, ...] = ()
    max_times: int | None = Field(default=None, ge=1)
    after_ratings: tuple[str, ...] = ()
    """Ratings of the result that send it back by themselves."""
    mediation_ends: bool = False
    """A ticket whose mediation was ended is not dispatched again."""


class RefusalGround(Provision):
    """A ground on which a matter is not taken in. A person decides; the machine proposes at most."""

    id: str = Field(pattern=r"^[A-Z]{2}-[0-9]+-[0-9]+$")
    code: str = Field(pattern=r"^[a-z_]+$")
    text: str = Field(min_length=1)
    applies: Applies = Applies()
    """E.g. out of area: help is not in the list of Yazhou (S3)."""


class Refusal(Provision):
    """What the caller is told: the notice, and whether the basis must be given."""

    notice: str
    with_basis: bool


class Principle(Provision):
    """How the units of a ticket are chosen.

    function: who is in charge of the subject; function_and_territory: by function and by place; territory_first: the
    place before the subject; levels: through the district's own centre; unclear_sector, unclear_territory: who steps
    in when an emergency has no clear owner; explain: what was decided already goes to its unit to be explained again.
    """

    applies: Applies = Applies()
    kind: Literal[
        "function",
        "function_and_territory",
        "territory_first",
        "unclear_sector",
        "unclear_territory",
        "levels",
        "explain",
    ]
    phrase: str = Field(min_length=1)
    """The document's words."""


class Repeats(Provision):
    """The same person, the same issue, no new facts: after more than `answered` answers it may be refused.

    `answered` null: the document names no number, having been handled (已办理) is enough. `in_progress`: what is
    being handled is no new ticket either. A person decides.
    """

    answered: int | None = Field(default=None, ge=0)
    in_progress: bool = False


class Discipline(Provision):
    """Where matters of party discipline go: transferred to a unit that alone sees them, or refused."""

    action: Literal["transfer", "refuse"]
    unit: str | None = None
    ground: str | None = None


class PreReview(Provision):
    """A step before dispatch: a first opinion is reviewed by the host (YL-14(2))."""

    applies: Applies = Applies()
    reviewer: Role


class FormField(Part):
    """A field of a result's form; it must be filled, with one of `choices` where there are any.

    `required_when`: only where the field of this id has this answer.
    """

    id: str = Field(pattern=r"^[a-z][a-z_]*$")
    name: str
    choices: tuple[str, ...] = ()
    required_when: tuple[str, str] | None = None


class CompletionForm(Provision):
    """What a result must say before a ticket of this kind counts as completed.

    All forms that cover a ticket are to be filled: their fields add up.
    """

    applies: Applies = Applies()
    fields: tuple[FormField, ...] = Field(min_length=1)


class Escalation(Provision):
    """A trigger that puts a ticket under supervision (督办), before the leadership (呈批), or both."""

    trigger: Literal[
        "report",
        "overdue",
        "group_event",
        "redo_unsolved",
        "leader_instruction",
        "leader_call",
        "concentrated",
        "decided_unsolved",
        "second_rating_bad",
        "other",
        "special_report",
    ]
    text: str
    supervise: bool
    leadership: bool
    to: tuple[str, ...] = ()
    """Whom it is submitted to."""
    automatic: bool = False
    """The document leaves no choice; otherwise the software proposes and a person confirms."""


class Exclusion(Provision):
    """A reason for which a rating leaves the 实际参评满意率 (never the 满意率)."""

    code: str
    text: str


class Satisfaction(Provision):
    """The scale of ratings, from best to worst, and what is rated."""

    levels: tuple[str, ...] = Field(min_length=2)
    satisfied: tuple[str, ...]
    """The levels that count as satisfied."""
    objects: tuple[Literal["agent", "result"], ...]
    second_is_final: bool = False
    exclusions: tuple[Exclusion, ...] = ()
    reasons: tuple[str, ...] = ()
    """Reasons that a dissatisfied citizen may give."""


class CallbackPolicy(Provision):
    """Who is called back and how often: `attempts` at different hours; within what time, says the callback limit."""

    attempts: int = Field(ge=1)
    different_hours: bool = True
    channels: tuple[str, ...] = ()
    anonymous: bool = False
    """Whether anonymous callers are called back (S17: no)."""


class Appeal(Provision):
    """What may be appealed against (申诉), and what a granted appeal does.

    excluded: the ticket or the month leaves the assessment; investigated: the figures are checked and the answer is
    given; by_law: other laws say how (`laws`).
    """

    subject: Literal["archived_dissatisfied", "monthly_assessment", "data", "statistics", "assessment", "criticism"]
    text: str
    effect: Literal["excluded", "investigated", "by_law"]
    within: Amount | None = None
    laws: tuple[str, ...] = ()


class Violation(Provision):
    """One of the countable or recorded violations. Software proposes, a person confirms."""

    id: str = Field(pattern=r"^V[0-9]$")
    text: str
    counted: Literal["yes", "partly", "no"]
    threshold: int | None = Field(default=None, ge=1)
    consecutive: bool = False
    per: Literal["ticket", "month", "year"] | None = None

    @model_validator(mode="after")
    def _counted_to_something(self) -> Violation:
        given = (self.threshold is not None, self.per is not None)
        if given != ((True, True) if self.counted == "yes" else (False, False)):
            raise ValueError("a counted violation needs threshold and per, any other has neither")
        return self


class Criticism(Provision):
    """So many criticisms in a year bring a unit before the discipline inspection."""

    threshold: int = Field(ge=1)
    to: str


FigureId = Literal[
    "calls",
    "accepted",
    "dispatched",
    "completed",
    "completed_extended",
    "overdue_open",
    "on_time_rate",
    "timeliness",
    "response_rate",
    "solved_rate",
    "satisfaction_rate",
    "rated_satisfaction_rate",
    "police_linkages",
    "direct_dispatched",
]
"""calls 呼入量, accepted 受理量, dispatched 转办量, completed 办结量, completed_extended 延期办结量, overdue_open
逾期未办结量, on_time_rate 按时办结率, timeliness 办理及时性, response_rate 响应率, solved_rate 解决率,
satisfaction_rate 满意率, rated_satisfaction_rate 实际参评满意率, police_linkages 与110联动次数, direct_dispatched
直派工单数."""


class Figure(Part):
    """One figure, by the document's name."""

    id: FigureId
    name: str = Field(min_length=1)


class Statistics(Provision):
    """The figures that are reported, for which periods, and where they are published."""

    figures: tuple[Figure, ...] = ()
    periods: tuple[Literal["week", "month", "year"], ...] = ()
    published: bool = False
    through: tuple[str, ...] = ()
    """Where: websites, newspapers, ..."""
    screens: tuple[str, ...] = ()
    """Wallboards that the document names."""
    levels: tuple[str, ...] = ()
    """For whom the figures are counted apart."""


class OnSiteExperts(Provision):
    """A unit sends people into the centre when fewer of its consults than this are answered at once."""

    first_answer_below: float = Field(gt=0, lt=1)
    other_triggers: tuple[str, ...] = ()


class Contacts(Provision):
    """The people that each unit names, and how soon a change of them is reported (null: no number)."""

    heads: int = Field(default=1, ge=0)
    deputies: int = Field(default=1, ge=0)
    clerks_min: int = Field(default=1, ge=0)
    report_within: Amount | None


class Roster(Provision):
    """Who is on duty and where the roster is published."""

    who: str
    publish: tuple[str, ...]
    duties: tuple[str, ...]


class DirectList(Provision):
    """A direct-dispatch list (直派清单): how many items it has; the items themselves are the centre's data."""

    kind: Literal["grid", "unit"]
    count: int = Field(ge=1)


class FinalOpinion(Provision):
    """An opinion after which the matter makes no new ticket: form, who signs, on which grounds."""

    name: str
    sealed: bool = False
    """It bears the unit's seal."""
    signed_by: tuple[Role, ...] = ()
    """One of these signs it."""
    reviewed_by: Role | None = None
    grounds: tuple[str, ...] = Field(min_length=1)
    effect: Literal["no_new_ticket", "explain"]


class SecrecyRule(Provision):
    """What must not be disclosed, and when a ticket is encrypted at dispatch."""

    never: tuple[str, ...]
    on_request: tuple[str, ...] = ()
    encrypt_at_dispatch: tuple[str, ...] = ()
    tracker_at_dispatch: bool = False
    """A named person follows such a ticket (YL-23)."""
    release_needs: str | None = None
    """Whose approval an export needs."""
    hide_staff: bool = False
    """Names of staff are masked as well (TP-37)."""


class Retention(Provision):
    """How many years recordings are kept before they are destroyed with a log entry."""

    recordings_years: int = Field(ge=1, le=100)


class Scoring(Provision):
    """What an assessment looks at, how often, whom it is reported to, and what earns a bonus."""

    of: Literal["units", "operator"] = "units"
    indicators: tuple[str, ...] = ()
    bonus: tuple[str, ...] = ()
    periods: tuple[Literal["month", "year"], ...] = ()
    reported_to: tuple[str, ...] = ()
    ranking: bool = False


class Cluster(Provision):
    """The same matter without effect for so many months is reported."""

    months: int = Field(ge=1)
    to: str


class TruthReminder(Provision):
    """Intents whose caller must be reminded that a report has to be true before it is saved."""

    intents: tuple[str, ...]


class Channels(Provision):
    """The ways in which a citizen may turn to the centre."""

    names: tuple[str, ...] = Field(min_length=1)
    around_the_clock: bool | None = None


class Levels(Provision):
    """The levels through which a ticket goes down, and what the lower ones are called."""

    names: tuple[str, ...] = Field(min_length=2)


class Upstream(Provision):
    """The platform above, with which tickets are exchanged; `owns_rules`: its rules may not be changed here."""

    platform: str
    jurisdiction: str | None = None
    owns_rules: bool = False


class FirstContact(Provision):
    """The stages at which the first receiver stays responsible (首接负责)."""

    stages: tuple[str, ...] = Field(min_length=1)


class AnsweredAtOnce(Provision):
    """Intents that may be closed by an answer from the knowledge base, without a unit."""

    intents: tuple[str, ...] = Field(min_length=1)


class Forwarded(Provision):
    """Intents that are passed on and filed; nobody has to complete anything, no clock runs."""

    intents: tuple[str, ...] = Field(min_length=1)


class Referral(Provision):
    """Calls that are neither accepted nor refused: the caller is connected or given a number."""

    code: Literal["directory", "out_of_area"]
    text: str
    line: str | None = None
    applies: Applies = Applies()


class EmergencyDuties(Provision):
    """What an emergency demands apart from its limits. A person declares it; the software proposes at most."""

    declared_by: Role
    triggers: tuple[str, ...] = Field(min_length=1)
    dispatch_by: tuple[Literal["system", "telephone"], ...] = ()
    report_back: tuple[str, ...] = ()
    """What the unit tells the centre when it starts."""
    exemption: str | None = None
    """When limits do not bind: the unit says so, the centre confirms it."""
    exempts: tuple[ClockKind, ...] = ("start",)
    """The limits to which the document makes this exception."""
    unclear_owner: str | None = None
    """Who goes to the scene while nobody knows whose it is."""
    police_too: bool = False
    """110 is told at the same time as the unit (YL-13)."""


class Guide(Provision):
    """Calls for rescue: the caller is told the line and connected to it."""

    lines: tuple[str, ...] = Field(min_length=1)
    tell_line: bool
    transfer: bool | None = None
    """None: the document does not say."""
    notify: str | None = None
    """Who else is told."""


class PoliceLinkage(Provision):
    """The link with 110: calls and tickets go both ways; how it is divided, and whether it is counted."""

    line: str
    both_ways: bool = False
    parts: tuple[str, ...] = ()
    counted: bool = False


class Nuisance(Provision):
    """Callers who abuse the line: who is given the evidence. No call is ever blocked."""

    text: str
    to: tuple[str, ...] = ()


class NoBlockList(Provision):
    """The document forbids that callers are shut out."""

    text: str


class JointHandling(Provision):
    """Several units at one matter. `separately`: each gets its own ticket where none has to lead."""

    appointed_by: Role
    lead: str
    assist: str
    lead_duties: tuple[str, ...] = ()
    assist_duties: tuple[str, ...] = ()
    separately: bool = False


class Archive(Provision):
    """What must be true before a ticket is archived, all of it."""

    requires: tuple[Literal["completed", "reviewed", "called_back"], ...] = Field(min_length=1)


class KnowledgeDuties(Provision):
    """What units do for the knowledge base; `review_every` null: no number in the document."""

    duties: tuple[str, ...] = Field(min_length=1)
    review_every: Amount | None = None


class Training(Provision):
    """The reminder after the shift, the regular training, and the elements by which a call is taken."""

    reminder_at: str | None = Field(default=None, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    every: Amount | None = None
    elements: tuple[str, ...] = ()


class LeaderSessions(Provision):
    """Leaders answer calls themselves; what moved callers most is given to their unit."""

    text: str
