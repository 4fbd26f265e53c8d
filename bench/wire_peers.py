"""Our AMI client and FastAGI server beside panoramisk, pyst2 and asterisk-ami: the same bytes, machine and run.

    .venv/bin/python -m bench.wire_peers

prints a Markdown table. AMI: a server process on a loopback port sends the same events, written as Asterisk 22 writes
them, as fast as they are taken; each client hands every event to a callback that reads two headers. Counted is from
the first event to the last. FastAGI: a load
process opens sessions, 20 at a time; each sends its environment, answers ten commands and waits for the end. Rounds
are interleaved, so that a busy moment of the machine meets all contenders; medians are compared.

Each peer lives in a virtual environment of its own below --venvs, made at the first run: pyst2 and asterisk-ami
overwrite each other's package. The parts of this file that run there import nothing but the peer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = {"panoramisk": "1.4", "pyst2": "0.5.1", "asterisk-ami": "0.1.7"}
OURS = "this project"
OURS_PLAIN = "this project without uvloop"
COMMANDS = 10
CONCURRENCY = 20


def events(count: int) -> Iterator[bytes]:
    """`count` events of calls that overlap: 40 calls at a time, each with a caller's and an agent's channel."""
    chance = random.Random(12345)
    calls: list[Iterator[bytes]] = []
    number = 0
    made = 0
    while made < count:
        while len(calls) < 40:
            calls.append(call(number))
            number += 1
        chosen = chance.randrange(len(calls))
        event = next(calls[chosen], None)
        if event is None:
            calls.pop(chosen)
            continue
        made += 1
        yield event


def call(number: int) -> Iterator[bytes]:
    """One call's events, each with the full snapshot of its channel."""
    caller = {
        "Channel": f"PJSIP/carrier-{2 * number:08x}",
        "ChannelState": "4",
        "ChannelStateDesc": "Ring",
        "CallerIDNum": f"1380013{number % 10000:04d}",
        "CallerIDName": ["<unknown>", "王小明", "Li Na"][number % 3],
        "ConnectedLineNum": "<unknown>",
        "ConnectedLineName": "<unknown>",
        "Language": "zh",
        "AccountCode": "",
        "Context": "inbound",
        "Exten": "12345",
        "Priority": "1",
        "Uniqueid": f"{1732191234 + number}.{2 * number}",
        "Linkedid": f"{1732191234 + number}.{2 * number}",
    }
    agent = caller | {
        "Channel": f"PJSIP/80{number % 90 + 10}-{2 * number + 1:08x}",
        "ChannelState": "5",
        "ChannelStateDesc": "Ringing",
        "CallerIDNum": f"80{number % 90 + 10}",
        "CallerIDName": "<unknown>",
        "ConnectedLineNum": caller["CallerIDNum"],
        "ConnectedLineName": caller["CallerIDName"],
        "Context": "agents",
        "Exten": "",
        "Uniqueid": f"{1732191234 + number}.{2 * number + 1}",
    }
    call_id = {"ChanVariable": f"CALL_ID=7d9b7f2e-26c4-4f9c-a0a6-{number:012x}"}
    bridge = {
        "BridgeUniqueid": f"5b0c8a52-6a3e-4a3b-9d54-{number:012x}",
        "BridgeType": "basic",
        "BridgeTechnology": "simple_bridge",
        "BridgeCreator": "Queue",
        "BridgeName": "<unknown>",
        "BridgeNumChannels": "1",
        "BridgeVideoSourceMode": "none",
    }
    yield event("Newchannel", "call,all", caller)
    yield event("VarSet", "dialplan,all", caller, {"Variable": "CALL_ID", "Value": call_id["ChanVariable"][8:]})
    caller |= call_id | {"Priority": "2"}
    yield event("VarSet", "dialplan,all", caller, {"Variable": "CHANNEL(language)", "Value": "zh"})
    caller |= {"ChannelState": "6", "ChannelStateDesc": "Up", "Priority": "3"}
    yield event("Newstate", "call,all", caller)
    caller |= {"Priority": "7"}
    yield event("VarSet", "dialplan,all", caller, {"Variable": "AGISTATUS", "Value": "SUCCESS"})
    yield event("VarSet", "dialplan,all", caller, {"Variable": "QUEUEPOSITION", "Value": str(number % 9 + 1)})
    yield event("Newchannel", "call,all", agent)
    agent |= call_id
    yield event("Newstate", "call,all", agent)
    agent |= {"ChannelState": "6", "ChannelStateDesc": "Up"}
    yield event("Newstate", "call,all", agent)
    yield event("BridgeEnter", "call,all", bridge | agent)
    caller |= {"ConnectedLineNum": agent["CallerIDNum"]}
    yield event("BridgeEnter", "call,all", bridge | {"BridgeNumChannels": "2"} | caller)
    yield event("VarSet", "dialplan,all", caller, {"Variable": "BRIDGEPEER", "Value": agent["Channel"]})
    yield event("VarSet", "dialplan,all", agent, {"Variable": "BRIDGEPEER", "Value": caller["Channel"]})
    yield event("Hangup", "call,all", agent, {"Cause": "16", "Cause-txt": "Normal Clearing"})
    yield event("Hangup", "call,all", caller, {"Cause": "16", "Cause-txt": "Normal Clearing"})


def event(name: str, privilege: str, snapshot: dict[str, str], more: dict[str, str] | None = None) -> bytes:
    headers = {"Event": name, "Privilege": privilege} | snapshot | (more or {})
    return ("".join(f"{header}: {value}\r\n" for header, value in headers.items()) + "\r\n").encode()


# What runs in children. ----------------------------------------------------------------------------------------------


def serve_ami(count: int) -> None:
    """Be Asterisk: banner, login, then all events; one client after the other."""
    stream = b"".join(events(count))
    # The user asks for the stream without channel variables, of which pyst2 dies.
    plain = b"".join(line for line in stream.splitlines(keepends=True) if not line.startswith(b"ChanVariable:"))
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"port": listener.getsockname()[1], "bytes": len(stream)}), flush=True)
    while True:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            client.sendall(b"Asterisk Call Manager/11.0.0\r\n")
            login = b""
            while not login.endswith(b"\r\n\r\n"):
                login += client.recv(4096)
            (action_id,) = [line[10:] for line in login.split(b"\r\n") if line.lower().startswith(b"actionid: ")]
            client.sendall(
                b"Response: Success\r\nActionID: " + action_id + b"\r\nMessage: Authentication accepted\r\n\r\n"
            )
            client.sendall(plain if b": plain\r\n" in login else stream)
            while client.recv(4096):
                pass
        except OSError:
            pass  # a client that ran out of time closes in the middle
        finally:
            client.close()


class Tally:
    """Counts the events that reach a callback, and reports when all are there or time is up."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self.seen = 0
        self.hangups = 0
        self.first = 0.0
        self.cpu = time.process_time()
        timer = threading.Timer(seconds, self.report)
        timer.daemon = True
        timer.start()

    def take(self, name: str, uniqueid: str) -> None:
        if not self.seen:
            self.first = time.perf_counter()
        self.seen += 1
        if name == "Hangup" and uniqueid:
            self.hangups += 1
        if self.seen == self.count:
            self.report()

    def report(self) -> None:
        spent = time.perf_counter() - self.first
        cpu = time.process_time() - self.cpu
        result = {
            "rate": self.seen / spent if self.seen else 0.0,
            "cpu_us": cpu / max(self.seen, 1) * 1e6,
            "seen": self.seen,
            "hangups": self.hangups,
        }
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
        os._exit(0)  # at once, whatever threads the library has


def ami_ours(port: int, count: int, seconds: float) -> None:
    import uvloop  # as `server.py run` does

    ami_ours_plain(port, count, seconds, uvloop.run)


def ami_ours_plain(
    port: int, count: int, seconds: float, run_loop: Callable[[Coroutine[object, object, None]], None] = asyncio.run
) -> None:
    from ivr.ami import AmiClient

    async def run() -> None:
        tally = Tally(count, seconds)
        client = AmiClient(
            "127.0.0.1",
            port,
            "hotline",
            "secret",
            on_event=lambda message: tally.take(message.event, message.get("Uniqueid")),
        )
        client.start()
        await asyncio.sleep(3600)

    run_loop(run())


def ami_panoramisk(port: int, count: int, seconds: float) -> None:
    from panoramisk import Manager

    async def run() -> None:
        tally = Tally(count, seconds)
        manager = Manager(
            loop=asyncio.get_running_loop(), host="127.0.0.1", port=port, username="hotline", secret="secret"
        )
        manager.register_event("*", lambda _, message: tally.take(message.event, message.uniqueid))
        await manager.connect()
        await asyncio.sleep(3600)

    asyncio.run(run())


def ami_pyst2(port: int, count: int, seconds: float) -> None:
    from asterisk.manager import Manager

    tally = Tally(count, seconds)
    manager = Manager()
    manager.register_event("*", lambda event, _: tally.take(event.name, event.get_header("Uniqueid")))
    manager.connect("127.0.0.1", port)
    manager.login("plain", "secret")
    time.sleep(3600)


def ami_asterisk_ami(port: int, count: int, seconds: float) -> None:
    from asterisk.ami import AMIClient

    tally = Tally(count, seconds)
    client = AMIClient(address="127.0.0.1", port=port)
    client.add_event_listener(lambda event, **_: tally.take(event.name, event.keys.get("Uniqueid", "")))
    client.login("hotline", "secret")
    time.sleep(3600)


def agi_ours(port: int) -> None:
    import uvloop

    agi_ours_plain(port, uvloop.run)


def agi_ours_plain(port: int, run_loop: Callable[[Coroutine[object, object, None]], None] = asyncio.run) -> None:
    from ivr.fastagi import FastAgiServer, Session

    async def flow(session: Session) -> None:
        for number in range(COMMANDS):
            await session.execute("SET VARIABLE", f"STEP{number}", "done well")

    async def run() -> None:
        await FastAgiServer("127.0.0.1", port, {"welcome": flow}).start()
        print("ready", flush=True)
        await asyncio.sleep(3600)

    run_loop(run())


def agi_panoramisk(port: int) -> None:
    from panoramisk.fast_agi import Application, Request

    async def flow(request: Request) -> None:
        for number in range(COMMANDS):
            await request.send_command(f'SET VARIABLE "STEP{number}" "done well"')

    async def run() -> None:
        application = Application(loop=asyncio.get_running_loop())
        application.add_route("welcome", flow)
        server = await asyncio.start_server(application.handler, "127.0.0.1", port, backlog=100)
        print("ready", flush=True)
        await server.serve_forever()

    asyncio.run(run())


def agi_pyst2(port: int) -> None:
    try:
        import asterisk.fastagi  # noqa: F401
    except ImportError as problem:
        print(f"does not import ({problem})", flush=True)
        return
    raise SystemExit("pyst2's fastagi imports after all: this benchmark must learn to measure it")


class _Channel(asyncio.Protocol):
    """One load session: Asterisk's side of a FastAGI connection."""

    ENVIRONMENT = (
        "agi_network: yes\nagi_network_script: welcome\nagi_request: agi://127.0.0.1:4573/welcome\n"
        "agi_channel: PJSIP/carrier-0000002a\nagi_language: zh\nagi_type: PJSIP\nagi_uniqueid: 1732191234.42\n"
        "agi_version: 22.10.1\nagi_callerid: 13800138000\nagi_calleridname: 王小明\nagi_callingpres: 0\n"
        "agi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\nagi_dnid: 12345\nagi_rdnis: unknown\n"
        "agi_context: inbound\nagi_extension: 12345\nagi_priority: 5\nagi_enhanced: 0.0\nagi_accountcode: \n"
        "agi_threadid: 139872643217152\nagi_arg_1: 7d9b7f2e-26c4-4f9c-a0a6-1f1f9d3b7a10\n\n"
    ).encode()

    def __init__(self, ended: asyncio.Future[int]) -> None:
        self.ended = ended
        self.answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self.ENVIRONMENT)

    def data_received(self, data: bytes) -> None:
        commands = data.count(b"\n")
        self.answered += commands
        self.transport.write(b"200 result=1\n" * commands)

    def connection_lost(self, problem: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(self.answered)


def load_agi(port: int, count: int) -> None:
    """Open `count` sessions, CONCURRENCY at a time, and report how many a second ended with all commands answered."""
    import uvloop  # the load generator should cost as little as it can, beside what it measures

    async def run() -> None:
        loop = asyncio.get_running_loop()
        answered: list[int] = []
        remaining = iter(range(count))

        async def caller() -> None:
            for _ in remaining:
                ended: asyncio.Future[int] = loop.create_future()
                await loop.create_connection(lambda ended=ended: _Channel(ended), "127.0.0.1", port)
                answered.append(await asyncio.wait_for(ended, 10))

        started = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))
        spent = time.perf_counter() - started
        whole = answered.count(COMMANDS)
        print(json.dumps({"rate": whole / spent, "whole": whole}), flush=True)

    uvloop.run(run())


# What runs in the parent. --------------------------------------------------------------------------------------------


def pythons(folder: Path) -> dict[str, str]:
    """The interpreter of each contender; makes the environments that are missing."""
    found = {OURS: sys.executable, OURS_PLAIN: sys.executable}
    for name, version in PEERS.items():
        home = folder / name
        python = str(home / "bin" / "python")
        check = f"import importlib.metadata as m; assert m.version({name!r}) == {version!r}"
        if not Path(python).exists() or subprocess.run([python, "-c", check], capture_output=True).returncode:
            print(f"making an environment for {name} {version} ...", file=sys.stderr)
            venv.create(home, with_pip=True, clear=True)
            command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{name}=={version}"]
            subprocess.run(command, check=True, timeout=120)
        found[name] = python
    return found


def child(python: str, *arguments: object, wait: bool) -> subprocess.Popen[str] | list[str]:
    """Run this file as `--child ...`: to its end, returning the lines it printed, or in the background."""
    # -P: what lies beside this file is not on the path of the children, where it could hide a library's module.
    command = [python, "-P", __file__, "--child", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} if python == sys.executable else dict(os.environ)
    if not wait:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment)
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment, timeout=60
    )
    return done.stdout.splitlines()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def one_ami(python: str, name: str, port: int, count: int, seconds: float) -> dict[str, float]:
    lines = child(python, "ami", name, port, count, seconds, wait=True)
    assert isinstance(lines, list)
    if not lines:
        raise SystemExit(f"{name}: its AMI client ended without a result")
    result = json.loads(lines[-1])
    expected = sum(each.startswith(b"Event: Hangup") for each in events(int(result["seen"])))
    if result["hangups"] != expected:
        raise SystemExit(f"{name}: {result['hangups']} of {expected} Hangup events were handed over whole")
    return result


def one_agi(python: str, name: str, count: int) -> dict[str, float] | str:
    """Sessions a second and processor time of the server, or why there is none."""
    import psutil

    port = free_port()
    server = child(python, "agi", name, port, wait=False)
    assert isinstance(server, subprocess.Popen) and server.stdout
    try:
        # Not found out by connecting: panoramisk's server hangs for ever after a connection that says nothing.
        greeting = server.stdout.readline().strip()
        if greeting != "ready":
            return greeting or "ended without a word"
        child(sys.executable, "load", port, count // 10, wait=True)  # warm
        before = psutil.Process(server.pid).cpu_times()
        lines = child(sys.executable, "load", port, count, wait=True)
        after = psutil.Process(server.pid).cpu_times()
        assert isinstance(lines, list)
        result = json.loads(lines[-1])
        if result["whole"] != count:
            raise SystemExit(f"{name}: {result['whole']} of {count} sessions had all their commands")
        cpu = after.user + after.system - before.user - before.system
        return {"rate": result["rate"], "cpu_us": cpu / count * 1e6}
    finally:
        server.kill()
        server.wait()


def table(title: str, unit: str, results: dict[str, list[dict[str, float]]], absent: dict[str, str]) -> None:
    print(f"\n### {title}\n")
    print(f"| | {unit}/s, median | rounds | processor, µs each | ours is faster by |")
    print("|---|---|---|---|---|")
    rates = {name: statistics.median(run["rate"] for run in runs) for name, runs in results.items() if runs}
    for name, rate in rates.items():
        rounds = ", ".join(f"{run['rate']:.0f}" for run in results[name])
        cpu = statistics.median(run["cpu_us"] for run in results[name])
        ratio = f"{rates[OURS] / rate:.1f} times" if name in PEERS else ""
        label = f"{name} {PEERS[name]}" if name in PEERS else name
        print(f"| {label} | {rate:.0f} | {rounds} | {cpu:.0f} | {ratio} |")
    for name, note in absent.items():
        print(f"| {name} {PEERS[name]} | {note} | | | |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything and print the tables; `arguments` as on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--venvs", type=Path, default=ROOT / ".venv-bench", help="where the peers are installed")
    parser.add_argument("--events", type=int, default=60000, help="AMI events of one run")
    parser.add_argument("--sessions", type=int, default=2500, help="FastAGI sessions of one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="longest AMI run; what came until then is counted")
    options = parser.parse_args(arguments)
    interpreters = pythons(options.venvs)

    ami: dict[str, list[dict[str, float]]] = {name: [] for name in interpreters}
    agi: dict[str, list[dict[str, float]]] = {OURS: [], OURS_PLAIN: [], "panoramisk": []}
    notes: dict[str, str] = {"asterisk-ami": "has no FastAGI"}
    asterisk = child(sys.executable, "asterisk", options.events, wait=False)
    assert isinstance(asterisk, subprocess.Popen) and asterisk.stdout
    try:
        served = json.loads(asterisk.stdout.readline())
        for _ in range(options.rounds):
            for name, python in interpreters.items():
                ami[name].append(one_ami(python, name, served["port"], options.events, options.seconds))
            for name in agi:
                result = one_agi(interpreters[name], name, options.sessions)
                if isinstance(result, str):
                    raise SystemExit(f"{name}: its FastAGI server says: {result}")
                agi[name].append(result)
    finally:
        asterisk.kill()
        asterisk.wait()
    outcome = one_agi(interpreters["pyst2"], "pyst2", 1)
    notes["pyst2"] = outcome if isinstance(outcome, str) else "measures, which this file does not expect"

    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {options.rounds} interleaved rounds.")
    per_event = served["bytes"] / options.events
    table(f"AMI: {options.events} events of {per_event:.0f} bytes, parsed and handed to a callback", "events", ami, {})
    table(
        f"FastAGI: {options.sessions} sessions of {COMMANDS} commands, {CONCURRENCY} at a time", "sessions", agi, notes
    )


AMI: dict[str, Callable[[int, int, float], None]] = {
    OURS: ami_ours,
    OURS_PLAIN: ami_ours_plain,
    "panoramisk": ami_panoramisk,
    "pyst2": ami_pyst2,
    "asterisk-ami": ami_asterisk_ami,
}
AGI: dict[str, Callable[[int], None]] = {
    OURS: agi_ours,
    OURS_PLAIN: agi_ours_plain,
    "panoramisk": agi_panoramisk,
    "pyst2": agi_pyst2,
}


def as_child(role: str, *arguments: str) -> None:
    match role:
        case "asterisk":
            serve_ami(int(arguments[0]))
        case "ami":
            AMI[arguments[0]](int(arguments[1]), int(arguments[2]), float(arguments[3]))
        case "agi":
            AGI[arguments[0]](int(arguments[1]))
        case "load":
            load_agi(int(arguments[0]), int(arguments[1]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        as_child(*sys.argv[2:])
    else:
        main()
