"""The life of a ticket as one table, and that of a unit's task as another. Everything that may happen stands here.

A ticket is one matter of one caller. It is a draft while the call lasts, then it is accepted, refused, answered on
the spot or referred. An accepted one is dispatched: each unit gets a task of its own, the lead unit's task carries
the ticket along. The unit signs for it (in_hand), may give it back (returning, returned), hands in its result
(under_review), which the centre passes (reviewed), calls the citizen back about (called_back) and archives, or sends
back (redo). A row names who may do it and by which rule; what else must hold is checked by the service that does it
and named here as `guard`. A row without `to` leaves the state as it is: it is an act, and a line of the history.

docs/ticket-states.md is made from these tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal[
    "draft",
    "accepted",
    "pre_review",
    "refused",
    "answered",
    "referred",
    "dispatched",
    "in_hand",
    "returning",
    "returned",
    "under_review",
    "reviewed",
    "redo",
    "called_back",
    "mediation_ended",
    "archived",
    "merged",
]

STATE_NAMES: dict[str, str] = {
    "draft": "草稿",
    "accepted": "已受理",
    "pre_review": "待主办单位预审",
    "refused": "不予受理",
    "answered": "当场答复",
    "referred": "已引导转出",
    "dispatched": "已派单",
    "in_hand": "办理中",
    "returning": "退单待审核",
    "returned": "已退单，待重新批转",
    "under_review": "办理结果待复核",
    "reviewed": "已复核，待回访",
    "redo": "重办中",
    "called_back": "已回访",
    "mediation_ended": "终止调解",
    "archived": "已归档",
    "merged": "已并入另一工单",
}

TaskState = Literal[
    "dispatched", "accepted", "returning", "returned", "submitted", "approved", "redo", "completed", "withdrawn"
]

TASK_STATE_NAMES: dict[str, str] = {
    "dispatched": "待签收",
    "accepted": "办理中",
    "returning": "退单待审核",
    "returned": "已退单",
    "submitted": "单位内部审批中",
    "approved": "已报送",
    "redo": "重办中",
    "completed": "已办结",
    "withdrawn": "已撤回",
}

Role = Literal[
    "machine",
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

ROLE_NAMES: dict[str, str] = {
    "machine": "系统",
    "agent": "坐席",
    "shift_manager": "当班管理岗",
    "center_office": "中心管理办公室",
    "unit_clerk": "单位信息采编员",
    "unit_leader": "单位分管领导",
    "unit_head": "单位主要负责人",
    "on_duty_chief": "值班局长",
    "district_leadership": "区委区政府",
    "discipline": "纪检监察",
    "telecom_admin": "通信管理员",
    "auditor": "审计员",
}

SAME_AS = {"supervisor": "shift_manager"}
"""The desk's name of a role, and the law's."""

CENTRE: tuple[Role, ...] = ("agent", "shift_manager", "center_office")
DECIDES: tuple[Role, ...] = ("shift_manager", "center_office")
"""Those of the centre who decide about what units do."""
UNIT: tuple[Role, ...] = ("unit_clerk", "unit_leader", "unit_head", "on_duty_chief")
UNIT_ROLES = frozenset(UNIT)
PERSONS: tuple[Role, ...] = (*CENTRE, *UNIT, "district_leadership", "discipline")

OPEN: tuple[State, ...] = (
    "draft",
    "accepted",
    "pre_review",
    "dispatched",
    "in_hand",
    "returning",
    "returned",
    "under_review",
    "reviewed",
    "redo",
    "called_back",
)
"""States in which something is still to be done; the others are final, but for `mediation_ended` (archived later)."""

WITH_UNITS: tuple[State, ...] = ("dispatched", "in_hand", "returning", "under_review", "redo")
"""States in which units have tasks that are not finished."""


@dataclass(frozen=True)
class Step:
    """One row. `rules` carry it, one per jurisdiction that speaks of it (the first stands for the others)."""

    action: str
    name: str
    sources: tuple[str, ...]
    to: tuple[str, ...]
    roles: tuple[Role, ...]
    rules: tuple[str, ...]
    guard: str = ""
    stays: tuple[str, ...] = ()
    """Sources in which the ticket's own state stays: it is about an assisting unit's task, or the ticket is final."""

    def rule(self, prefix: str) -> str:
        """The rule id for a jurisdiction, by the prefix of its serial numbers (YZ, TP, ...)."""
        return next((rule for rule in self.rules if rule.startswith(prefix)), self.rules[0])


_BEFORE_DISPATCH = ("draft", "accepted", "pre_review", "returned")

TICKET: tuple[Step, ...] = (
    # Taking in
    Step("accept", "受理", ("draft",), ("accepted",), CENTRE, ("YZ-11", "YL-11"), "写明受理范围；举报已提醒真实性"),
    Step(
        "refuse",
        "不予受理",
        _BEFORE_DISPATCH,
        ("refused",),
        CENTRE,
        ("YZ-12", "YL-12", "TP-10"),
        "由人决定；写明一条不予受理的情形并告知",
    ),
    Step("answer", "当场答复", ("draft", "accepted"), ("answered",), CENTRE, ("YZ-14(1)",), "写明受理范围和答复"),
    Step("refer", "引导转出", _BEFORE_DISPATCH, ("referred",), CENTRE, ("YZ-31", "YL-14(3)"), "写明转到哪里"),
    Step(
        "guide",
        "指引类：三线联动",
        ("draft", "accepted", "returned", "referred"),
        ("referred",),
        ("machine", *CENTRE),
        ("YZ-14(5)", "YL-14(3)"),
        "写明线路",
    ),
    Step(
        "classify",
        "更正分类",
        ("accepted", "pre_review", "returned"),
        (),
        CENTRE,
        ("YZ-14", "YL-11"),
        "目录中有；举报已提醒真实性",
    ),
    Step(
        "submit_for_pre_review",
        "提交预审",
        ("accepted", "returned"),
        ("pre_review",),
        CENTRE,
        ("YL-14(2)",),
        "规定要求预审",
    ),
    Step(
        "approve_first_opinion",
        "预审同意",
        ("pre_review",),
        ("accepted", "returned"),
        DECIDES,
        ("YL-14(2)",),
        "规定的预审人；派过单的，重新批转",
    ),
    Step(
        "reject_first_opinion",
        "预审不同意",
        ("pre_review",),
        ("accepted", "returned"),
        DECIDES,
        ("YL-14(2)",),
        "规定的预审人；说明理由",
    ),
    # Dispatch
    Step(
        "dispatch",
        "派单",
        ("accepted",),
        ("dispatched",),
        ("machine", *CENTRE),
        ("YZ-14(2)", "YL-14", "TP-12(3)", "QH-4b"),
        "写明受理范围和办理类别；一个主办；需要预审的已预审；机器只能按直派清单派",
    ),
    Step(
        "redispatch",
        "重新批转",
        ("returned",),
        ("dispatched",),
        CENTRE,
        ("YZ-17", "TP-15"),
        "多个单位退单的写明由谁牵头核实",
    ),
    Step("note_phone", "电话派单", WITH_UNITS, (), CENTRE, ("YZ-14(4)",), "写明单位接电话的人"),
    Step("add_assisting", "增加协办", ("dispatched", "in_hand"), (), CENTRE, ("YZ-16",), "已有主办"),
    Step(
        "apply_other_law",
        "适用其他法律的期限",
        ("dispatched", "in_hand"),
        (),
        DECIDES,
        ("YZ-18", "YL-14(2)", "TP-17(2)"),
        "写明法律依据；有的规定只允许更严的期限",
    ),
    # The unit
    Step(
        "report_contact",
        "已联系",
        WITH_UNITS,
        (),
        UNIT,
        ("YZ-15", "SY-14"),
        "派单以后",
    ),
    Step(
        "sign",
        "签收受理",
        ("dispatched", "in_hand", "returning", "referred"),
        ("in_hand",),
        (*UNIT, "discipline"),
        ("YZ-18", "TP-14(1)"),
        "写明接收人；协办签收不改变工单状态；转交纪检监察部门的，签收即转交完毕",
        ("in_hand", "returning", "referred"),
    ),
    Step(
        "start_handling",
        "启动应急处理",
        ("dispatched", "in_hand", "returning"),
        (),
        UNIT,
        ("YZ-14(4)", "SY-14", "TP-26"),
        "应急类；反馈情况和办法",
    ),
    Step(
        "secure",
        "现场安全防护",
        ("dispatched", "in_hand", "returning"),
        (),
        UNIT,
        ("SY18-5", "YZ-14(4)"),
        "应急类；反馈情况",
    ),
    Step(
        "confirm_excuse",
        "确认不可抗力等情况",
        (*WITH_UNITS, "reviewed", "called_back"),
        (),
        DECIDES,
        ("YZ-14(4)", "SY-14", "TP-26"),
        "单位说明过；写明核实的情况",
    ),
    Step(
        "return",
        "退单",
        ("dispatched", "in_hand", "returning"),
        ("returning",),
        UNIT,
        ("YZ-17", "TP-14(2)", "QH-5c"),
        "期限内；理由（依据、安全排查）；没有被驳回过；协办退单不改变工单状态",
    ),
    Step(
        "accept_return",
        "同意退单",
        ("returning", "dispatched", "in_hand"),
        ("returned",),
        DECIDES,
        ("YZ-17", "TP-15"),
        "有待审核的退单；协办的不改变工单状态",
        ("dispatched", "in_hand"),
    ),
    Step(
        "reject_return",
        "不同意退单",
        ("returning", "dispatched", "in_hand"),
        ("dispatched", "in_hand"),
        DECIDES,
        ("YZ-17", "TP-15"),
        "说明理由；该单位不得再退；协办的不改变工单状态",
        ("dispatched", "in_hand"),
    ),
    Step(
        "take_back",
        "撤回派单",
        ("dispatched", "in_hand", "returning", "redo"),
        ("returned",),
        DECIDES,
        ("YZ-17",),
        "说明理由；重新批转",
    ),
    Step("withdraw_assisting", "撤回协办", ("dispatched", "in_hand", "redo"), (), DECIDES, ("YZ-16",), "说明理由"),
    Step(
        "determine_unit",
        "确定承办单位",
        ("accepted", "returned", "dispatched", "in_hand", "returning"),
        (),
        DECIDES,
        ("TP-16",),
        "写明经过的方式",
    ),
    Step(
        "ask_extension",
        "申请延期",
        ("dispatched", "in_hand", "redo"),
        (),
        UNIT,
        ("YZ-19", "YL-14(2)", "TP-17(1)"),
        "主办；期限前；次数和时间不超过规定；应急和重办不得延期",
    ),
    Step(
        "grant_extension",
        "同意延期",
        ("dispatched", "in_hand", "under_review"),
        (),
        DECIDES,
        ("YZ-19", "YL-14(2)", "TP-17(1)"),
        "规定的审批人；期限只延不缩",
    ),
    Step(
        "refuse_extension",
        "不同意延期",
        ("dispatched", "in_hand", "under_review"),
        (),
        DECIDES,
        ("YZ-19", "YL-14(2)", "TP-18"),
        "规定的审批人；说明理由",
    ),
    Step("tell_caller", "告知诉求人", (*OPEN, "mediation_ended"), (), PERSONS, ("TP-18",), "写明告知的内容"),
    Step(
        "submit",
        "提交办理结果",
        ("in_hand", "redo"),
        (),
        UNIT,
        ("SY18-0", "YZ-18", "TP-19"),
        "办结表填全；没有待审核的退单",
    ),
    Step("approve", "单位内部审批", ("in_hand", "redo"), (), UNIT, ("YZ-18",), "规定的人按顺序审批"),
    Step("disapprove", "单位内部退回", ("in_hand", "redo"), (), UNIT, ("YZ-18",), "规定的审批人；说明理由"),
    Step(
        "hand_in",
        "报送结果",
        ("in_hand", "redo"),
        ("under_review",),
        UNIT,
        ("YZ-18", "SY18-0", "TP-19"),
        "主办的结果；审批齐全；协办均已办结",
    ),
    Step("explain", "说明逾期原因", (*OPEN, "archived", "mediation_ended"), (), UNIT, ("YZ-37",), "有逾期的期限"),
    # The centre, after the result
    Step("pass", "复核通过", ("under_review",), ("reviewed",), CENTRE, ("YZ-20", "TP-20"), "有待复核的结果"),
    Step(
        "reject",
        "复核不通过",
        ("under_review",),
        ("in_hand", "redo"),
        CENTRE,
        ("YZ-20", "TP-20"),
        "说明理由；办理期限继续计算",
    ),
    Step(
        "order_redo",
        "退回重办",
        ("under_review", "reviewed", "called_back"),
        ("redo",),
        ("machine", *DECIDES),
        ("YZ-21", "TP-22"),
        "规定的认定齐全；不超过次数；机器只能按首次评价",
    ),
    Step(
        "send_back",
        "回访未解决，退回承办单位",
        ("reviewed", "called_back"),
        ("redo",),
        CENTRE,
        ("YZ-20", "TP-24"),
        "诉求人说未处理或未解决；写明期限",
    ),
    Step(
        "end_mediation",
        "终止调解",
        ("in_hand", "returned", "under_review", "reviewed", "redo", "called_back"),
        ("mediation_ended",),
        DECIDES,
        ("YZ-21",),
        "说明理由；以后不再派单",
    ),
    Step(
        "call_back",
        "回访",
        ("reviewed", "mediation_ended", "called_back"),
        ("called_back",),
        CENTRE,
        ("YZ-23", "YL-16", "TP-21"),
        "写明结果；终止调解的，状态不变",
        ("mediation_ended",),
    ),
    Step(
        "rate",
        "评价",
        ("reviewed", "called_back", "mediation_ended", "archived", "redo"),
        (),
        ("machine", *CENTRE),
        ("TP-21", "QH-2b"),
        "在评价的等级之内",
    ),
    Step(
        "archive",
        "归档",
        ("called_back", "reviewed", "mediation_ended"),
        ("archived",),
        ("machine", *CENTRE),
        ("YZ-23",),
        "已办结、已复核、已回访；匿名的不回访",
    ),
    # Decisions about the ticket as a whole
    Step(
        "merge",
        "并入另一工单",
        ("draft", "accepted", "pre_review", "returned"),
        ("merged",),
        CENTRE,
        ("TP-10", "YZ-11"),
    ),
    Step(
        "unmerge", "取消并入", ("merged",), ("draft", "accepted", "pre_review", "returned"), CENTRE, ("TP-10", "YZ-11")
    ),
    Step(
        "link",
        "关联",
        (*OPEN, *("refused", "answered", "referred", "archived", "mediation_ended", "merged")),
        (),
        ("machine", *CENTRE),
        ("TP-10", "QH-5b"),
    ),
    Step(
        "supervise",
        "列入督办",
        (*OPEN, "mediation_ended"),
        (),
        CENTRE,
        ("YZ-22", "TP-28"),
        "由人确认",
    ),
    Step(
        "end_supervision",
        "解除督办",
        (*OPEN, "mediation_ended", "archived"),
        (),
        DECIDES,
        ("YZ-22", "TP-28"),
        "说明理由",
    ),
    Step(
        "submit_to_leadership",
        "呈批",
        (*OPEN, "mediation_ended", "archived"),
        (),
        DECIDES,
        ("YZ-22", "TP-28", "YL-17"),
        "由人确认",
    ),
    Step(
        "instruct",
        "批示",
        (*OPEN, "mediation_ended", "archived"),
        (),
        ("district_leadership", "center_office"),
        ("YZ-22",),
        "写明批示",
    ),
    Step("set_secrecy", "设定保密", tuple(STATE_NAMES), (), ("machine", *CENTRE), ("YZ-26", "YL-23", "TP-37")),
    Step("note_external_id", "登记上级平台编号", tuple(STATE_NAMES), (), ("machine", *CENTRE), ("YZ-6",)),
    Step("remind_of_truth", "提醒举报须真实", ("draft", "accepted", "pre_review"), (), CENTRE, ("YZ-33",)),
    Step("recalculate", "按新日历重算期限", tuple(STATE_NAMES), (), ("machine", *DECIDES), ("YZ-18",)),
    Step("note", "记录", tuple(STATE_NAMES), (), ("machine", *PERSONS), ("YZ-24",)),
)

TASK: tuple[Step, ...] = (
    Step("sign", "签收受理", ("dispatched",), ("accepted", "completed"), (*UNIT, "discipline"), ("YZ-18", "TP-14(1)")),
    Step("return", "退单", ("dispatched", "accepted"), ("returning",), UNIT, ("YZ-17", "TP-14(2)", "QH-5c")),
    Step("accept_return", "同意退单", ("returning",), ("returned",), DECIDES, ("YZ-17", "TP-15")),
    Step("reject_return", "不同意退单", ("returning",), ("dispatched", "accepted"), DECIDES, ("YZ-17", "TP-15")),
    Step("submit", "提交办理结果", ("accepted", "redo"), ("submitted",), UNIT, ("SY18-0", "YZ-18", "TP-19")),
    Step("disapprove", "单位内部退回", ("submitted",), ("accepted", "redo"), UNIT, ("YZ-18",)),
    Step("hand_in", "报送结果", ("submitted",), ("approved", "completed"), UNIT, ("YZ-18", "SY18-0", "TP-19")),
    Step("pass", "复核通过", ("approved",), ("completed",), CENTRE, ("YZ-20", "TP-20")),
    Step("reject", "复核不通过", ("approved",), ("accepted", "redo"), CENTRE, ("YZ-20", "TP-20")),
    Step("order_redo", "退回重办", ("approved", "completed"), ("redo",), ("machine", *DECIDES), ("YZ-21", "TP-22")),
    Step("send_back", "回访未解决退回", ("completed",), ("redo",), CENTRE, ("YZ-20", "TP-24")),
    Step(
        "withdraw",
        "撤回",
        ("dispatched", "accepted", "returning", "submitted", "approved", "redo"),
        ("withdrawn",),
        ("machine", *CENTRE),
        ("YZ-17", "YZ-21"),
    ),
)

_BY_ACTION = {step.action: step for step in TICKET}
_TASK_BY_ACTION = {step.action: step for step in TASK}


def ticket_step(action: str) -> Step:
    """The row of the ticket's table. Raises KeyError for an action that there is not: a mistake of ours."""
    return _BY_ACTION[action]


def task_step(action: str) -> Step:
    """The row of the tasks' table. Raises KeyError for an action that there is not: a mistake of ours."""
    return _TASK_BY_ACTION[action]


def role_of(role: str) -> str:
    """The law's name of a role: the desk's supervisor is the manager of the shift."""
    return SAME_AS.get(role, role)


def possible(state: str, role: str) -> tuple[str, ...]:
    """The actions that somebody of `role` may try on a ticket in `state`, in the order of the table."""
    of_law = role_of(role)
    return tuple(step.action for step in TICKET if state in step.sources and of_law in step.roles)
