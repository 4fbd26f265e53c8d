"""docs/ticket-states.md: the tables of states as a diagram and as tables that people read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from routing.life.states import ROLE_NAMES, STATE_NAMES, TASK, TASK_STATE_NAMES, TICKET, Step

_HEAD = """# The life of a ticket

Made from the tables in `routing/life/states.py` by `server.py ticket states > docs/ticket-states.md`; a test compares
them. What is not in these tables cannot happen: it is refused with an error that names the rule. An act that stands
here without a next state leaves the state as it is and is a line of the ticket's history.
"""

_TASKS = """
## The task of one unit

Each unit that a ticket is dispatched to has a task of its own. The lead unit's carries the ticket along; an assisting
unit's result goes to the lead.
"""


def as_markdown() -> str:
    """The whole page."""
    parts = [
        _HEAD,
        _diagram(TICKET, STATE_NAMES, "draft"),
        _table(TICKET, STATE_NAMES),
        _TASKS,
        _diagram(TASK, TASK_STATE_NAMES, "dispatched"),
        _table(TASK, TASK_STATE_NAMES),
    ]
    return "\n".join(parts)


def _diagram(table: Sequence[Step], names: dict[str, str], first: str) -> str:
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {state}: {name}" for state, name in names.items()]
    lines.append(f"    [*] --> {first}")
    arrows: dict[tuple[str, str], list[str]] = {}
    for step in table:
        for source in step.sources:
            for to in step.to:
                if to != source and source not in step.stays:
                    arrows.setdefault((source, to), []).append(step.name)
    lines += [f"    {source} --> {to}: {'／'.join(acts)}" for (source, to), acts in arrows.items()]
    lines += [f"    {state} --> [*]" for state in names if not any(source == state for source, _ in arrows)]
    return "\n".join([*lines, "```", ""])


def _table(table: Sequence[Step], names: dict[str, str]) -> str:
    head = ["| act | 名称 | in | next | who | what else must hold | rules |", "|---|---|---|---|---|---|---|"]
    return "\n".join([*head, *(_row(step, names) for step in table), ""])


def _row(step: Step, names: dict[str, str]) -> str:
    anywhere = set(step.sources) == set(names)
    cells = (
        f"`{step.action}`",
        step.name,
        "（任何状态）" if anywhere else _joined(names[state] for state in step.sources),
        _joined(names[state] for state in step.to) or "—",
        _joined(ROLE_NAMES[role] for role in step.roles),
        step.guard,
        " ".join(step.rules),
    )
    return f"| {' | '.join(cells)} |"


def _joined(parts: Iterable[str]) -> str:
    return "、".join(parts)
