"""The one way in which a ticket changes after the call: one transaction, one person, one new version.

    async with changing(centre, ticket_id, version, actor) as change:
        change.transition("sign", why="...")

Whoever comes with an older version than the ticket's is told (TicketChanged), and so is whoever loses the race.
When the block raises, nothing has happened: no line, no clock, no new version.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from routing.centre import Centre
from routing.history import MACHINE, line
from routing.jurisdiction import Jurisdiction
from routing.law.law import Law
from routing.life import given
from routing.life.errors import BadTime, BadValue, IllegalTransition, NotAllowed
from routing.life.states import (
    PERSONS,
    ROLE_NAMES,
    STATE_NAMES,
    TASK_STATE_NAMES,
    UNIT_ROLES,
    Step,
    role_of,
    task_step,
    ticket_step,
)
from routing.life.tables import Clock, Task
from routing.secrecy.rights import standing_of
from routing.storage import Call, Ticket
from routing.ticket_errors import quoted
from routing.tickets import Actor, NoSuchTicket, TicketChanged

THE_MACHINE = Actor(MACHINE, MACHINE)
"""Acts where the law leaves no choice: direct lists, automatic redos, guide-class tickets of a pressed digit."""

ASSIST, LEAD = "assist", "lead"

_GONE = ("returned", "withdrawn")
"""Tasks that are no unit's duty any more."""


@dataclass
class Change:
    """A ticket that is being changed, locked until the end. `at` is when (UTC, one moment for all of it)."""

    centre: Centre
    session: AsyncSession
    ticket: Ticket
    actor: Actor
    at: datetime
    tasks: list[Task]
    """All that there ever were, the oldest first."""
    clocks: list[Clock]
    """All that ever ran, the oldest first."""
    seen_version: int
    """The version that was there before this change."""

    @property
    def jurisdiction(self) -> Jurisdiction:
        """The ticket's jurisdiction."""
        return self.centre.jurisdiction

    @property
    def law(self) -> Law:
        """The provisions that hold at this moment."""
        return self.centre.jurisdiction.law_at(self.at)

    @property
    def role(self) -> str:
        """The actor's role by the law's name."""
        return role_of(self.actor.role)

    @property
    def round_tasks(self) -> list[Task]:
        """The tasks of the present round that are still somebody's duty, the lead's first."""
        mine = [one for one in self.tasks if one.round == self.ticket.rounds and one.state not in _GONE]
        return sorted(mine, key=lambda one: one.role != LEAD)

    @property
    def lead(self) -> Task:
        """The lead unit's task. Raises IllegalTransition when nobody has the lead."""
        found = next((one for one in self.round_tasks if one.role == LEAD), None)
        if found is None:
            raise IllegalTransition(f"工单 {self.ticket.serial} 现在没有主办单位，请先派单", rule="YZ-16")
        return found

    @property
    def own(self) -> Task:
        """The task of the actor's unit in the present round. Raises NotAllowed when it has none."""
        found = next((one for one in self.round_tasks if one.unit == self.actor.unit), None)
        if found is None:
            raise NotAllowed(
                f"工单 {self.ticket.serial} 没有派给{self._unit_name(self.actor.unit)}，只有承办单位可以办理",
                rule="YZ-24",
                field="unit",
            )
        return found

    def may(self, action: str, *, rule: str = "") -> Step:
        """The row for `action`. Raises NotAllowed for another role, IllegalTransition for another state."""
        step = ticket_step(action)
        rule = rule or step.rule(self.jurisdiction.prefix)
        if self.role not in step.roles:
            raise NotAllowed(
                f"“{step.name}”由{_names(step.roles)}办理，{ROLE_NAMES.get(self.role, self.role)}不能办理",
                rule=rule,
                field="role",
            )
        if self.ticket.state not in step.sources:
            right = "、".join(f"“{STATE_NAMES[one]}”" for one in step.sources[:6])
            raise IllegalTransition(
                f"工单 {self.ticket.serial} 现在是“{STATE_NAMES.get(self.ticket.state, self.ticket.state)}”，"
                f"不能“{step.name}”；可以的状态：{right}{'等' if len(step.sources) > 6 else ''}",
                rule=rule,
            )
        return step

    def transition(
        self, action: str, *, to: str | None = None, rule: str = "", why: str = "", after: str = "", name: str = ""
    ) -> None:
        """Take a row of the table: the ticket's next state, and a line of its history.

        `to` chooses among several next states. `name` and `after` say what an act that leaves the state as it is was
        about. Raises as `may`.
        """
        step = self.may(action, rule=rule)
        rule = rule or step.rule(self.jurisdiction.prefix)
        chosen = to if to is not None else step.to[0] if step.to else None
        if chosen is None or self.ticket.state in step.stays:
            self.record(action, name=name, after=after, why=why, rule=rule)
            return
        if chosen not in step.to:
            raise ValueError(f"the table does not lead from '{action}' to '{chosen}'")
        before, self.ticket.state = self.ticket.state, chosen
        self.record(action, name="state", before=before, after=chosen, why=why, rule=rule)

    def task_transition(self, task: Task, action: str, *, to: str | None = None, rule: str = "", why: str = "") -> None:
        """Take a row of the tasks' table for one unit's task. Raises IllegalTransition for another state."""
        step = task_step(action)
        rule = rule or step.rule(self.jurisdiction.prefix)
        self.task_must_be(task, action, rule=rule)
        chosen = to if to is not None else step.to[0]
        if chosen not in step.to:
            raise ValueError(f"the table does not lead from '{action}' to '{chosen}'")
        before, task.state = task.state, chosen
        self.record(action, name=f"task {task.unit}", before=before, after=chosen, why=why, rule=rule)

    def task_must_be(self, task: Task, action: str, *, rule: str = "") -> None:
        """Refuse `action` on a task whose state does not permit it (IllegalTransition)."""
        step = task_step(action)
        if task.state not in step.sources:
            right = "、".join(f"“{TASK_STATE_NAMES[one]}”" for one in step.sources)
            raise IllegalTransition(
                f"{self._unit_name(task.unit)}的任务现在是“{TASK_STATE_NAMES[task.state]}”，不能“{step.name}”；"
                f"可以的状态：{right}",
                rule=rule or step.rule(self.jurisdiction.prefix),
            )

    def record(
        self, action: str, *, name: str = "", before: str = "", after: str = "", why: str = "", rule: str = ""
    ) -> None:
        """Add a line to the history, as part of the version that this change makes."""
        self.begin()
        self.session.add(
            line(
                self.ticket,
                self.at,
                self.actor.name,
                action,
                field=name,
                before=before,
                after=after,
                why=why,
                rule=rule,
            )
        )

    def begin(self) -> None:
        """Begin the ticket's next version; once, however much is changed."""
        if self.ticket.version == self.seen_version:
            self.ticket.version += 1
            self.ticket.updated_at = self.at

    def acting(self, actor: Actor) -> Change:
        """The same change with another actor, for what follows by itself from what a person has done."""
        return replace(self, actor=actor)

    def must_be(self, role: str, what: str, *, rule: str) -> None:
        """Refuse everybody but `role`, the one that a provision names (NotAllowed)."""
        if self.role != role_of(role):
            raise NotAllowed(
                f"{what}由{ROLE_NAMES.get(role, role)}决定，{ROLE_NAMES.get(self.role, self.role)}不能决定",
                rule=rule,
                field="role",
            )

    def _unit_name(self, unit: str) -> str:
        return self.jurisdiction.name_of("functional_unit", unit)

    def unit_name(self, unit: str) -> str:
        """The name of a unit, for people."""
        return self._unit_name(unit)


@contextlib.asynccontextmanager
async def changing(centre: Centre, ticket_id: str, version: int | None, actor: Actor) -> AsyncIterator[Change]:
    """Change one ticket. `version` is the one that the person has on the screen; None: they need not have seen any
    (guide-class tickets, the machine).

    Raises NotAllowed for an actor that cannot be, NoSuchTicket, BadTime, TicketChanged.
    """
    check_actor(actor, centre.jurisdiction)
    try:
        async with centre.db.begin() as session:
            yield (change := await _opened(centre, session, ticket_id, version, actor))
            _copy_limits(change)
    except StaleDataError as lost:
        raise TicketChanged("工单刚刚被别人修改，请刷新后再试") from lost


@contextlib.asynccontextmanager
async def changing_two(
    centre: Centre, first: tuple[str, int | None], second: tuple[str, int | None], actor: Actor
) -> AsyncIterator[tuple[Change, Change]]:
    """Change two tickets (id and version each) in one transaction, given back in the order of the arguments.

    They are locked in the order of their ids, so that two such changes never wait for each other. Raises as
    `changing`; BadValue when both are the same.
    """
    check_actor(actor, centre.jurisdiction)
    if first[0] == second[0]:
        raise BadValue("两张工单不能是同一张", rule="TP-10", field="ticket_id")
    try:
        async with centre.db.begin() as session:
            opened = {
                ticket_id: await _opened(centre, session, ticket_id, version, actor)
                for ticket_id, version in sorted((first, second), key=lambda one: one[0])
            }
            yield opened[first[0]], opened[second[0]]
            for change in opened.values():
                _copy_limits(change)
    except StaleDataError as lost:
        raise TicketChanged("工单刚刚被别人修改，请刷新后再试") from lost


def check_actor(actor: Actor, jurisdiction: Jurisdiction) -> None:
    """Refuse an actor that cannot be: no name, an unknown role, a role of a unit without one, or the other way round.

    Raises NotAllowed, BadValue.
    """
    given.text("actor", actor.name, limit=100, rule="YZ-24", what="办理人")
    role = role_of(actor.role)
    if role != MACHINE and role not in PERSONS:
        raise NotAllowed(
            f"“{quoted(actor.role)}”不办理工单；办理工单的有：{_names(PERSONS)}", rule="YZ-8", field="role"
        )
    if role in UNIT_ROLES and actor.unit not in jurisdiction.units:
        raise NotAllowed(
            f"{ROLE_NAMES[role]}要写明所在的承办单位，“{quoted(actor.unit)}”不在{jurisdiction.name}的单位名单里",
            rule="YZ-10",
            field="unit",
        )
    if role not in UNIT_ROLES and role != "discipline" and actor.unit:
        raise NotAllowed(
            f"{ROLE_NAMES[role]}属于指挥中心，不能代表“{quoted(actor.unit)}”办理；单位的人用单位的角色",
            rule="YZ-10",
            field="unit",
        )


async def _opened(centre: Centre, session: AsyncSession, ticket_id: str, version: int | None, actor: Actor) -> Change:
    ticket = await session.get(Ticket, ticket_id, with_for_update=True)
    if ticket is None or ticket.jurisdiction != centre.jurisdiction.id:
        raise _no_such(ticket_id)
    tasks = list(await session.scalars(select(Task).where(Task.ticket_id == ticket_id).order_by(Task.id)))
    if not await _exists_for(session, ticket, actor, tasks):
        raise _no_such(ticket_id)
    if version is not None and ticket.version != version:
        raise TicketChanged(f"工单 {ticket.serial} 在您查看之后被修改过，请刷新后再试")
    at = centre.now()
    if at < ticket.created_at:
        raise BadTime(f"工单 {ticket.serial} 建于此后，时间不能早于建单时间", rule="YZ-24", field="at")
    clocks = await session.scalars(select(Clock).where(Clock.ticket_id == ticket_id).order_by(Clock.id))
    return Change(centre, session, ticket, actor, at, tasks, list(clocks), ticket.version)


async def _exists_for(session: AsyncSession, ticket: Ticket, actor: Actor, tasks: list[Task]) -> bool:
    """Whether this person may know that there is such a ticket: a discipline matter exists for its unit and for whoever
    took it in, and nothing else exists for the discipline inspection. What others may do, the services say."""
    role = role_of(actor.role)
    if role == MACHINE or not (ticket.restricted_to or role == "discipline"):
        return True
    agent = await session.scalar(select(Call.agent).where(Call.call_id == ticket.call_id)) if ticket.call_id else ""
    return standing_of(ticket, actor, tasks, agent or "") != "none"


def _no_such(ticket_id: str) -> NoSuchTicket:
    return NoSuchTicket(f"没有编号为 {quoted(ticket_id)} 的工单")


_LIMITS = ("complete", "redo")


def _copy_limits(change: Change) -> None:
    """Work lists and statistics read the completion limit from the ticket and its tasks: one limit for all of them."""
    if not change.ticket.rounds:
        return
    limiting = [
        clock
        for clock in change.clocks
        if clock.kind in _LIMITS and clock.task_id is not None and clock.state != "cancelled"
    ]
    of_round = {task.id for task in change.round_tasks}
    last = next((clock for clock in reversed(limiting) if clock.task_id in of_round), None)
    due_at = last.due_at if last else None
    change.ticket.due_at = due_at
    for task in change.round_tasks:
        task.due_at = due_at


def _names(roles: tuple[str, ...]) -> str:
    return "、".join(ROLE_NAMES[role] for role in roles if role != MACHINE)
