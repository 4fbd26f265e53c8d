"""`server.py knowledge`: the knowledge base from the command line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from routing.centre import Centre


def add_actions(knowledge: argparse.ArgumentParser) -> None:
    """Add the actions of `knowledge`; the parsed arguments then have `handler`, (args, settings) -> exit code."""
    from routing.command_line import add_actor, at_the_centre, day

    actions = knowledge.add_subparsers(required=True, metavar="ACTION")

    search = actions.add_parser("search", help="what agents would find")
    search.add_argument("question")
    search.add_argument("--limit", type=int, default=10)
    search.add_argument("--json", action="store_true", help="as JSON")
    search.set_defaults(handler=at_the_centre(_search))

    listed = actions.add_parser("list", help="items with their newest versions")
    listed.add_argument("--unit", default=None, help="of one unit; empty: of the centre")
    listed.add_argument("--state", default="", help="such as submitted")
    listed.set_defaults(handler=at_the_centre(_list))

    show = actions.add_parser("show", help="an item with all its versions, as JSON")
    show.add_argument("item", type=int)
    show.set_defaults(handler=at_the_centre(_show))

    imported = actions.add_parser("import", help="new items from a YAML file, submitted for review; all or none")
    imported.add_argument("file")
    add_actor(imported)
    imported.set_defaults(handler=at_the_centre(_import))

    for name, explained in (
        ("submit", "give the newest draft to the centre"),
        ("publish", "publish the submitted version"),
        ("reject", "send the submitted version back"),
        ("withdraw", "nobody answers from it any more"),
        ("confirm", "the published text still holds"),
    ):
        parser = actions.add_parser(name, help=explained)
        parser.add_argument("item", type=int)
        parser.add_argument("--why", default="", help="the reason")
        if name == "confirm":
            parser.add_argument("--review-by", type=day, default=None, help="when it is to be looked at again")
        add_actor(parser)
        parser.set_defaults(handler=at_the_centre(_decide), action=name)

    stale = actions.add_parser("stale", help="published items that nobody has looked at in time")
    stale.set_defaults(handler=at_the_centre(_stale))


async def _search(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing.command_line import print_json
    from routing.knowledge.search import search

    found = await search(centre, arguments.question, limit=arguments.limit)
    if arguments.json:
        print_json([one.__dict__ for one in found])
    for one in found if not arguments.json else []:
        print(f"{one.item_id}  {one.score:.2f}  {one.title}{'（待复核）' if one.stale else ''}\n    {one.snippet}")


async def _list(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing.knowledge.items import STATE_NAMES, items

    for item, version in await items(centre, unit=arguments.unit, state=arguments.state):
        owner = item.owner_unit or "区指挥中心"
        state = STATE_NAMES[version.state]
        print(f"{item.id}  {owner}  {state}  第{version.number}版  复核 {version.review_by}  {version.title}")


async def _show(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing.command_line import print_json
    from routing.knowledge.items import versions

    item, all_versions = await versions(centre, arguments.item)
    print_json(_plain(item) | {"versions": [_plain(version) for version in all_versions]})


async def _import(centre: Centre, arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from routing.command_line import actor_of
    from routing.knowledge.files import read_items
    from routing.knowledge.items import draft_all

    texts = read_items(Path(arguments.file))
    made = await draft_all(centre, actor_of(arguments), texts)
    print(f"{len(made)} items were submitted for review: {made[0].id} to {made[-1].id}")


async def _decide(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing.command_line import actor_of
    from routing.knowledge import items

    item, _ = await items.versions(centre, arguments.item)
    actor, why = actor_of(arguments), arguments.why
    match arguments.action:
        case "submit":
            done = await items.submit(centre, item.id, item.version, actor)
        case "publish" | "reject":
            publish = arguments.action == "publish"
            done = await items.review(centre, item.id, item.version, actor, publish=publish, why=why)
        case "withdraw":
            done = await items.withdraw(centre, item.id, item.version, actor, why=why)
        case _:
            done = await items.confirm_still_true(centre, item.id, item.version, actor, review_by=arguments.review_by)
    print(f"{done.id}: {items.STATE_NAMES[done.state]}")


async def _stale(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing.knowledge.items import stale_items

    for item, version in await stale_items(centre):
        print(f"{item.id}  {item.owner_unit or '区指挥中心'}  应于 {version.review_by} 复核  {version.title}")


def _plain(row: Any) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__mapper__.column_attrs}
