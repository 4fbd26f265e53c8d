"""Starting, stopping, and two hotlines on one machine."""

from __future__ import annotations

import asyncio

import psutil

from tests.e2e.conftest import WATER, Scene, scene


def _children(hotline: Scene) -> list[psutil.Process]:
    assert hotline.instance.process is not None
    family = psutil.Process(hotline.instance.process.pid)
    return [family, *(psutil.Process(hotline.instance.pid(name)) for name in ("redis", "asterisk", "listening"))]


async def test_ctrl_c_leaves_nothing_running_and_a_second_start_works_at_once(hotline: Scene) -> None:
    for _ in range(2):
        family = _children(hotline)
        assert await hotline.instance.stop() == 0
        assert [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
        await hotline.instance.start()
    hotline.call(WATER, seconds=20)
    await hotline.call_when(state="waiting")


async def test_two_hotlines_on_one_machine_know_nothing_of_each_other(hotline: Scene) -> None:
    async with scene() as other:
        mine, theirs = hotline.call(caller="13811111111", seconds=20), other.call(caller="13822222222", seconds=20)
        await hotline.call_when(state="waiting", caller_number="13811111111")
        await other.call_when(state="waiting", caller_number="13822222222")
        await asyncio.gather(mine, theirs)
        assert len(await hotline.calls()) == len(await other.calls()) == 1


async def test_a_second_server_with_the_same_data_is_refused_and_harms_nothing(hotline: Scene) -> None:
    import sys

    from settings import ROOT

    second = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "server.py"), *hotline.instance.arguments(), "run"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(second.communicate(), 30)
    assert second.returncode == 1 and b"is running with this data folder already" in errors
    hotline.call(WATER, seconds=20)
    await hotline.call_when(state="waiting")


async def test_by_default_nothing_listens_to_other_machines(hotline: Scene) -> None:
    """Also not for media: an RTP port is open for each call."""
    hotline.call(WATER, seconds=20)
    await hotline.call_when(state="waiting")
    ports = hotline.instance.ports
    ours = {port for name, port in ports.items() if not name.startswith("rtp")}
    ours |= set(range(ports["rtp_first"], ports["rtp_last"] + 1))
    listening = [
        c.laddr
        for p in _children(hotline)
        for c in p.net_connections()
        if c.laddr and not c.raddr and c.laddr.port in ours
    ]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert any(address.port >= ports["rtp_first"] and address.port <= ports["rtp_last"] for address in listening)
