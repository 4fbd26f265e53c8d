"""The table of the five documents' numbers, side by side: what each file says, and where it is silent."""

from __future__ import annotations

from datetime import date

import pytest

from routing.law.law import Law
from routing.law.provisions import Limit
from tests.routing.law.files import NAMES, loaded

DAY = date(2026, 3, 2)
URBAN, OTHER = "urban_management", "non_urban_management"


def law(name: str) -> Law:
    return loaded(name).law.on(DAY)


def limit(name: str, clock: str, intent: str, kind: str, urgency: str, starts: str = "dispatch") -> Limit | None:
    found = [
        one
        for one in law(name).limits
        if (one.clock, one.starts) == (clock, starts) and one.applies.covers(intent, kind, urgency)
    ]
    assert len(found) <= 1
    return found[0] if found else None


def written(one: Limit | None) -> str | None:
    if one is None:
        return None
    if one.limit is not None:
        return f"{one.limit.value} {one.limit.unit}"
    return "at once" if one.at_once else "set by the centre" if one.set_by else "no number"


LIMITS = [
    # clock, intent, class, urgency: Yazhou, Sanya, Yangling, Qionghai, Turpan
    ("contact", "complaint", URBAN, "normal", ["30 minute", None, None, None, None]),
    ("contact", "help", OTHER, "emergency", ["30 minute", "at once", None, None, None]),
    ("sign", "complaint", OTHER, "normal", [None, None, None, None, "12 hour"]),
    ("accept", "complaint", URBAN, "normal", ["24 hour", "12 hour", None, None, None]),
    ("accept", "complaint", OTHER, "normal", ["24 hour", "24 hour", None, None, None]),
    (
        "complete",
        "consult",
        OTHER,
        "normal",
        ["5 working_day", "5 working_day", "3 working_day", None, "5 working_day"],
    ),
    (
        "complete",
        "consult",
        URBAN,
        "normal",
        ["5 working_day", "5 working_day", "3 working_day", None, "5 working_day"],
    ),
    ("complete", "help", URBAN, "normal", ["48 hour", "48 hour", "2 working_day", None, "5 working_day"]),
    ("complete", "help", OTHER, "normal", ["5 working_day", "5 working_day", "2 working_day", None, "5 working_day"]),
    ("complete", "complaint", URBAN, "normal", ["48 hour", "48 hour", "5 working_day", None, "15 working_day"]),
    (
        "complete",
        "report",
        OTHER,
        "normal",
        ["5 working_day", "5 working_day", "5 working_day", None, "15 working_day"],
    ),
    ("complete", "suggestion", OTHER, "normal", ["5 working_day", "5 working_day", None, None, "5 working_day"]),
    ("complete", "help", OTHER, "emergency", ["5 working_day", "5 working_day", None, None, "2 working_day"]),
    ("start", "help", OTHER, "emergency", ["30 minute", "30 minute", "at once", None, "2 hour"]),
    ("safety", "help", OTHER, "emergency", [None, "20 minute", None, None, None]),
    ("return", "help", OTHER, "emergency", ["30 minute", None, None, "no number", "20 hour"]),
    ("return", "complaint", URBAN, "normal", ["24 hour", None, None, "no number", "20 hour"]),
]


@pytest.mark.parametrize(
    ("clock", "intent", "kind", "urgency", "row"), LIMITS, ids=["-".join(row[:4]) for row in LIMITS]
)
def test_limits_from_dispatch(clock: str, intent: str, kind: str, urgency: str, row: list[str | None]) -> None:
    assert [written(limit(name, clock, intent, kind, urgency)) for name in NAMES] == row


@pytest.mark.parametrize(
    ("clock", "starts", "row"),
    [
        ("return_review", "return", ["8 hour", None, None, None, None]),
        ("result_review", "submission", ["24 hour", None, None, None, None]),
        ("redo", "redo", ["48 hour", None, None, None, "3 working_day"]),
        ("redo", "unsolved", ["set by the centre", None, None, None, None]),
        ("contact", "supervision", ["at once", None, None, None, None]),
        ("callback", "review", ["2 working_day"] * 5),
    ],
)
def test_limits_from_other_events(clock: str, starts: str, row: list[str | None]) -> None:
    found = [written(limit(name, clock, "complaint", OTHER, "normal", starts)) for name in NAMES]
    assert found == row


def test_praise_has_no_limit() -> None:
    for name in ("yazhou", "sanya"):
        started = [one for one in law(name).limits if one.starts == "dispatch" and one.limit]
        assert [one.clock for one in started if one.applies.covers("praise", URBAN, "normal")] == []


def test_no_other_number_of_a_limit_is_in_any_file() -> None:
    """The rows above are all there is: no file holds a limit that they do not name."""
    rows = {(clock, value) for clock, *_, row in LIMITS for value in row}
    rows |= {("return_review", "8 hour"), ("result_review", "24 hour"), ("callback", "2 working_day")}
    rows |= {("redo", "48 hour"), ("redo", "3 working_day"), ("redo", "set by the centre"), ("contact", "at once")}
    assert {(one.clock, written(one)) for name in NAMES for one in law(name).limits} <= rows


def test_acceptance_inside_completion() -> None:
    assert [law(name).accept_inside_complete for name in NAMES] == [True, None, None, None, None]


def test_a_second_return() -> None:
    returns = [law(name).returns for name in NAMES]
    assert [one and (one.rejected_locks, one.determined_locks) for one in returns] == [
        (True, None),
        None,
        None,
        (None, None),
        (None, True),
    ]
    assert [one and (one.reason_required, one.basis_required, one.safety_statement) for one in returns] == [
        (True, False, True),
        None,
        None,
        (True, True, False),
        (True, True, False),
    ]
    assert [one and one.lead_after_units for one in returns] == [2, None, None, None, None]


def test_extensions() -> None:
    rows = {
        name: [
            (
                one.max_times,
                one.max_each and (one.max_each.value, one.max_each.unit),
                one.max_total and (one.max_total.value, one.max_total.unit),
                one.ask_before_due and (one.ask_before_due.value, one.ask_before_due.unit),
                one.tell_caller,
                one.approver,
            )
            for one in law(name).extensions
        ]
        for name in NAMES
    }
    five, two_before = (5, "working_day"), (2, "working_day")
    assert rows == {
        "yazhou": [
            (2, (48, "hour"), None, None, False, "center_office"),
            (2, five, None, two_before, False, "center_office"),
            (2, five, None, two_before, False, "center_office"),
        ],
        "sanya": [],
        "yangling": [(1, five, None, None, False, "center_office")],
        "qionghai": [],
        "turpan": [(None, None, (30, "working_day"), None, True, "center_office")],
    }
    barred = {name: [(one.redo, one.applies.urgencies) for one in law(name).no_extension] for name in NAMES}
    assert barred["yazhou"] == barred["turpan"] == barred["yangling"] == [(False, ("emergency",)), (True, ())]
    assert law("yangling").extensions[0].applies.intents == ("complaint", "report")
    assert law("turpan").extensions[0].not_beyond_legal_limit


def test_redo() -> None:
    redo = [law(name).redo for name in NAMES]
    assert [one and (len(one.findings), one.max_times, one.after_ratings, one.mediation_ends) for one in redo] == [
        (2, None, (), True),
        None,
        None,
        None,
        (0, 1, ("不满意", "非常不满意"), False),
    ]


def test_repeats_and_final_opinions() -> None:
    repeats = [law(name).repeats for name in NAMES]
    assert [one and (one.answered, one.in_progress) for one in repeats] == [
        (3, False),
        None,
        (None, False),
        None,
        (None, True),
    ]
    opinions = [law(name).final_opinion for name in NAMES]
    assert [one and (one.effect, one.sealed, one.signed_by, len(one.grounds)) for one in opinions] == [
        None,
        None,
        None,
        ("no_new_ticket", True, (), 3),
        ("explain", False, ("unit_head", "unit_leader"), 3),
    ]


def test_other_law() -> None:
    found = [law(name).other_law for name in NAMES]
    assert [one and (one.direction, one.applies.intents) for one in found] == [
        ("any", ()),
        None,
        ("any", ("complaint", "report")),
        None,
        ("stricter_only", ()),
    ]


def test_lines() -> None:
    """The document's own lines, then those that ruling S5 adds."""
    own = [[one.number for one in loaded(name).lines if one.ruling is None] for name in NAMES]
    assert own[1:] == [["110", "119", "120"], ["110", "119", "120", "122"], ["110"], ["110", "119", "120"]]
    assert {"110", "119", "120", "114"} <= set(own[0])
    assert all({"110", "119", "120", "122"} <= {line.number for line in loaded(name).lines} for name in NAMES)
    guides = [law(name).guide for name in NAMES]
    assert [one and (set(one.lines), one.transfer) for one in guides] == [
        ({"110", "119", "120"}, True),
        ({"110", "119", "120"}, True),
        ({"110", "119", "120", "122"}, None),
        None,
        ({"110", "119", "120"}, None),
    ]


def test_party_discipline() -> None:
    found = [law(name).discipline for name in NAMES]
    assert [one and (one.action, one.unit or one.ground) for one in found] == [
        ("transfer", "yz.jiwei"),
        ("transfer", "sy.discipline"),
        ("refuse", "party_discipline"),
        None,
        ("refuse", "other_branch"),
    ]


def test_satisfaction() -> None:
    scales = [law(name).satisfaction for name in NAMES]
    assert all(one is not None and len(one.levels) == 5 and one.objects == ("agent", "result") for one in scales)
    assert [one and one.ruling for one in scales] == ["S15"] * 5
    assert [one and (one.second_is_final, len(one.exclusions)) for one in scales] == [
        (False, 0),
        (False, 0),
        (False, 0),
        (False, 3),
        (True, 0),
    ]
    callbacks = [law(name).callback for name in NAMES]
    assert [one and (one.attempts, one.different_hours, one.anonymous) for one in callbacks] == [(3, True, False)] * 5


def test_block_lists_and_nuisance() -> None:
    assert [law(name).no_block_list is not None for name in NAMES] == [False, False, False, True, False]
    assert [law(name).nuisance is not None for name in NAMES] == [False, False, False, True, True]


def test_refusal_grounds() -> None:
    assert [len(law(name).refusal_grounds) for name in NAMES] == [7, 7, 7, 1, 9]
    for name in ("yazhou", "sanya"):
        out_of_area = next(one for one in law(name).refusal_grounds if one.code == "out_of_area")
        assert out_of_area.applies.intents == ("consult", "report", "complaint")
        referral = next(one for one in law(name).referrals if one.code == "out_of_area")
        assert referral.ruling == "S3" and referral.applies.intents == ("help",)


def test_yazhous_other_numbers() -> None:
    it = law("yazhou")
    assert [(one.id, one.counted, one.threshold, one.per, one.consecutive) for one in it.violations] == [
        ("V1", "yes", 2, "ticket", True),
        ("V2", "yes", 2, "month", False),
        ("V3", "no", None, None, False),
        ("V4", "no", None, None, False),
        ("V5", "no", None, None, False),
        ("V6", "no", None, None, False),
        ("V7", "partly", None, None, False),
        ("V8", "partly", None, None, False),
    ]
    assert it.criticism and (it.criticism.threshold, it.criticism.to) == (3, "yz.jiwei")
    assert it.on_site_experts and it.on_site_experts.first_answer_below == 0.8
    assert it.statistics and [one.name for one in it.statistics.figures] == [
        "呼入量",
        "受理量",
        "转办量",
        "办结量",
        "延期办结量",
        "逾期未办结量",
        "按时办结率",
    ]
    assert [(one.redo, one.roles) for one in it.approvals] == [
        (False, ("unit_leader",)),
        (False, ("unit_leader",)),
        (True, ("unit_leader", "unit_head")),
    ]
    assert not any(one.applies.covers("complaint", URBAN, "normal") for one in it.approvals if not one.redo)
    assert [one.trigger for one in it.escalations] == ["report", "overdue", "group_event", "redo_unsolved"]
    assert all(one.supervise and one.leadership for one in it.escalations)


def test_contacts_of_units() -> None:
    found = [law(name).contacts for name in NAMES]
    assert [one and (one.heads, one.deputies, one.clerks_min) for one in found] == [
        (1, 1, 1),
        (1, 1, 1),
        (0, 1, 1),
        None,
        None,
    ]
    assert [one and one.report_within and (one.report_within.value, one.report_within.unit) for one in found] == [
        (2, "working_day"),
        (2, "working_day"),
        None,
        None,
        None,
    ]


def test_qionghais_and_turpans_other_numbers() -> None:
    qionghai, turpan = law("qionghai"), law("turpan")
    assert [(one.kind, one.count) for one in qionghai.direct_lists] == [("grid", 91), ("unit", 158)]
    assert qionghai.training and qionghai.training.reminder_at == "18:00"
    assert qionghai.training.every and (qionghai.training.every.value, qionghai.training.every.unit) == (
        14,
        "calendar_day",
    )
    assert qionghai.statistics and qionghai.statistics.periods == ("week", "month", "year")
    assert qionghai.scoring and qionghai.scoring.periods == ("month", "year") and qionghai.scoring.ranking
    assert [one.effect for one in qionghai.appeals] == ["excluded", "excluded"]
    assert turpan.cluster and turpan.cluster.months == 6
    assert len([one for one in turpan.escalations if one.rule == "TP-28"]) == 7
    assert turpan.secrecy and turpan.secrecy.hide_staff
    assert [one.subject for one in turpan.appeals] == ["data", "statistics", "assessment"]
    yangling = law("yangling")
    assert yangling.secrecy and len(yangling.secrecy.encrypt_at_dispatch) == 5 and yangling.secrecy.tracker_at_dispatch
    assert yangling.pre_review and yangling.pre_review.applies.intents == ("complaint", "report")


def test_what_the_missing_part_of_sanya_would_say_stays_absent() -> None:
    it = law("sanya")
    absent = [it.returns, it.redo, it.repeats, it.truth_reminder, it.secrecy, it.other_law, it.archive, it.roster]
    assert absent == [None] * len(absent)
    assert (it.extensions, it.approvals, it.violations, it.escalations) == ((), (), (), ())
