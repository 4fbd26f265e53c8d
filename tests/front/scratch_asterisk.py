"""A small Asterisk of its own for a test: own folder, own ports, two agents, an unauthenticated trunk on 127.0.0.1."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from front.ports import free_tcp_port, free_udp_ports
from settings import ROOT

MODULES = [
    "app_dial",
    "app_echo",
    "app_mixmonitor",
    "app_playback",
    "app_queue",
    "app_read",
    "app_stack",
    "app_verbose",
    "bridge_builtin_features",
    "bridge_holding",
    "bridge_simple",
    "bridge_softmix",
    "chan_pjsip",
    "codec_alaw",
    "codec_resample",
    "format_pcm",
    "format_wav",
    "func_callerid",
    "func_channel",
    "func_logic",
    "func_strings",
    "pbx_config",
    "res_musiconhold",
    "res_pjproject",
    "res_pjsip",
    "res_pjsip_authenticator_digest",
    "res_pjsip_caller_id",
    "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_endpoint_identifier_user",
    "res_pjsip_nat",
    "res_pjsip_pubsub",
    "res_pjsip_registrar",
    "res_pjsip_rfc3326",
    "res_pjsip_sdp_rtp",
    "res_pjsip_session",
    "res_rtp_asterisk",
    "res_sorcery_astdb",
    "res_sorcery_config",
    "res_sorcery_memory",
    "res_stasis",
    "res_timing_timerfd",
]

ENDPOINT = """
[{name}]
type=endpoint
context=scratch
disallow=all
allow=alaw
direct_media=no
aors={name}
auth={name}
callerid=Agent <{name}>
[{name}]
type=aor
max_contacts=1
remove_existing=yes
[{name}]
type=auth
auth_type=digest
username={name}
password={password}
"""

PJSIP = """
[global]
type=global
endpoint_identifier_order=username,ip,anonymous
[udp]
type=transport
protocol=udp
bind=127.0.0.1:{port}
[trunk]
type=endpoint
context=scratch
disallow=all
allow=alaw
direct_media=no
send_pai=yes
[trunk]
type=identify
endpoint=trunk
match=127.0.0.1
"""


class ScratchAsterisk:
    """`async with ScratchAsterisk(folder, dialplan) as asterisk`: up and answering SIP on `asterisk.port`."""

    PASSWORD = "scratch-Secret_1"

    def __init__(
        self,
        folder: Path,
        dialplan: str,
        *,
        agents: tuple[str, ...] = ("8001", "8002"),
        sounds: Path | None = None,
        moh: Path | None = None,
        files: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_udp_ports(1)
        self._rtp = free_udp_ports(60)
        self._files = {
            "pjsip.conf": PJSIP.format(port=self.port)
            + "".join(ENDPOINT.format(name=agent, password=self.PASSWORD) for agent in agents),
            "extensions.conf": dialplan,
            "modules.conf": "[modules]\nautoload=no\n" + "".join(f"load={name}.so\n" for name in MODULES),
            "rtp.conf": f"[general]\nrtpstart={self._rtp}\nrtpend={self._rtp + 59}\n",
            "logger.conf": "[logfiles]\nfull=notice,warning,error,verbose(3)\n",
            "manager.conf": f"[general]\nenabled=no\nport={free_tcp_port()}\n",
            "http.conf": "[general]\nenabled=no\n",
            "musiconhold.conf": f"[default]\nmode=files\ndirectory={moh}\n" if moh else "",
            **(files or {}),
        }
        self._sounds = sounds
        self._process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> str:
        """All that Asterisk has logged so far."""
        return (self.folder / "log" / "full").read_text(errors="replace")

    async def __aenter__(self) -> ScratchAsterisk:
        prefix = ROOT / ".asterisk"
        named = {n: prefix / (prefix / n).read_text().strip() for n in ("modules-dir", "data-dir")}
        for name in ("etc", "var", "data", "spool", "run", "log"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "data" / "documentation").symlink_to(named["data-dir"] / "documentation")
        if self._sounds:
            (self.folder / "data" / "sounds").symlink_to(self._sounds)
        for name, text in self._files.items():
            (self.folder / "etc" / name).write_text(text)
        (self.folder / "asterisk.conf").write_text(
            "[directories]\n"
            f"astetcdir => {self.folder}/etc\nastmoddir => {named['modules-dir']}\nastvarlibdir => {self.folder}/var\n"
            f"astdbdir => {self.folder}/var\nastkeydir => {self.folder}/var\nastdatadir => {self.folder}/data\n"
            f"astagidir => {self.folder}/var\nastspooldir => {self.folder}/spool\nastrundir => {self.folder}/run\n"
            f"astlogdir => {self.folder}/log\nastsbindir => {self.folder}/var\n"
            "[options]\nverbose=3\ndefaultlanguage=zh\n"
        )
        self._process = await asyncio.create_subprocess_exec(
            str(prefix / "run"), "-f", "-C", str(self.folder / "asterisk.conf"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=(self.folder / "stdout").open("wb"),
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        for _ in range(150):
            if (self.folder / "log" / "full").exists() and "Asterisk Ready" in self.log:
                return self
            if self._process.returncode is not None:
                break
            await asyncio.sleep(0.1)
        await self.__aexit__()
        raise AssertionError(f"no Asterisk: {(self.folder / 'stdout').read_text(errors='replace')[-2000:]}")

    async def __aexit__(self, *_: object) -> None:
        if self._process and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), 10)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
