"""config/ as Python sees it: one pydantic model per file, and errors that name file, line and key.

Every room is handed the part that it needs; none reads files or the environment itself.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

ROOT = Path(__file__).resolve().parent
"""The project's folder: code, dialplans/ and the defaults of config/ lie below it."""


class HotlineError(Exception):
    """An error whose message is meant for the operator: shown as it is, without a traceback."""


class ConfigurationError(HotlineError):
    """Configuration that must not start; the message names the place, what is wrong and what would be right."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ports(_Section):
    """Where the parts listen. `shift` is added to all, so that a second instance needs one number only."""

    shift: int = Field(default=0, ge=0, le=50000)
    sip: int = Field(default=5060, ge=1, le=65535)
    rtp_first: int = Field(default=10000, ge=1024, le=65535)
    rtp_last: int = Field(default=10999, ge=1024, le=65535)
    ami: int = Field(default=5038, ge=1, le=65535)
    fastagi: int = Field(default=4573, ge=1, le=65535)
    http: int = Field(default=8088, ge=1, le=65535, description="Asterisk's own HTTP server (ARI)")
    audio: int = Field(default=9092, ge=1, le=65535)
    web: int = Field(default=8080, ge=1, le=65535)

    @model_validator(mode="before")
    @classmethod
    def _shifted(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("shift"), int):
            return data
        shift = data["shift"]
        names = [name for name in cls.model_fields if name != "shift"]
        moved = {name: data.get(name, cls.model_fields[name].default) for name in names}
        return data | {n: v + shift if isinstance(v, int) else v for n, v in moved.items()}

    @model_validator(mode="after")
    def _distinct(self) -> Ports:
        if self.rtp_last < self.rtp_first + 3:
            raise ValueError(f"rtp_last {self.rtp_last} must be at least 3 above rtp_first {self.rtp_first}")
        tcp = {name: getattr(self, name) for name in ("ami", "fastagi", "http", "audio", "web")}
        for name, port in tcp.items():
            twins = [other for other, its in tcp.items() if its == port and other != name]
            if twins:
                raise ValueError(f"port {port} is given to both {name} and {twins[0]}; each part needs its own")
        if self.rtp_first <= self.sip <= self.rtp_last:
            raise ValueError(f"sip port {self.sip} lies inside the RTP range {self.rtp_first}-{self.rtp_last}")
        return self


def _plain(value: str | None) -> str | None:
    """Text that may stand in a line of an Asterisk file."""
    if value is not None and re.search(r"[\x00-\x20;\x7f]", value):
        raise ValueError("must not hold spaces, semicolons or control characters")
    return value


class AsteriskSection(_Section):
    """`own`: the server writes the configuration and starts Asterisk. `external`: it only connects."""

    mode: Literal["own", "external"] = "own"
    host: str = "127.0.0.1"
    bind: str = Field(default="127.0.0.1", description="address that SIP and RTP listen on (own mode)")
    external_address: str | None = Field(default=None, description="public address put into SIP and SDP, behind NAT")
    ami_user: str = "hotline"
    ami_secret: str | None = Field(default=None, description="external mode; own mode draws one and keeps it")
    server_host: str = Field(default="127.0.0.1", description="where Asterisk reaches FastAGI and audio of this server")

    _check_plain = field_validator(
        "host", "bind", "external_address", "ami_user", "ami_secret", "server_host", mode="after"
    )(_plain)


class RedisSection(_Section):
    """Without a `url` the server starts its own redis-server on a socket in the data folder."""

    url: str | None = None


class DatabaseSection(_Section):
    """Without a `url`, SQLite in the data folder; `postgresql+asyncpg://user:password@host/name` for PostgreSQL."""

    url: str | None = None


class WebSection(_Section):
    bind: str = "127.0.0.1"
    session_hours: int = Field(default=12, ge=1, le=72)
    secure_cookies: bool = Field(default=False, description="true behind HTTPS")


class ListeningSection(_Section):
    """Speech recognition of live calls."""

    enabled: bool = True
    model: str = Field(
        default="auto", description="a name of the catalogue; auto: vosk-model-small-cn-0.22 when installed, else demo"
    )
    threads: int = Field(default=0, ge=0, le=256, description="0: as many as cores")
    chunk_ms: int = Field(default=100, ge=20, le=1000)
    max_streams: int = Field(default=400, ge=1)
    max_backlog_seconds: float = Field(default=20.0, gt=0, description="audio held for one leg before it is dropped")
    gate_aggressiveness: int = Field(default=2, ge=0, le=3, description="webrtcvad mode, 3 lets least through")
    keep_corrections: bool = Field(
        default=False,
        description="keep confirmed calls, masked, with what agents corrected, to measure the reading with",
    )


class CallSection(_Section):
    """What a caller goes through."""

    language: str = Field(default="zh", pattern="^[a-z]{2}(_[A-Z]{2})?$", description="a folder of the prompts")
    flow_seconds: int = Field(
        default=4, ge=1, le=30, description="a FastAGI flow that takes longer is left, the dialplan goes on"
    )
    record: bool = True


class WatchSection(_Section):
    """The watch over limits (role clocks)."""

    every_seconds: float = Field(default=15.0, ge=1, le=600, description="pause between two rounds")


class Hotline(_Section):
    """config/hotline.yaml."""

    name: str = Field(min_length=1, max_length=100)
    jurisdiction: str = "yazhou"
    ports: Ports = Ports()
    asterisk: AsteriskSection = AsteriskSection()
    redis: RedisSection = RedisSection()
    database: DatabaseSection = DatabaseSection()
    web: WebSection = WebSection()
    call: CallSection = CallSection()
    listening: ListeningSection = ListeningSection()
    watch: WatchSection = WatchSection()


_NUMBER = re.compile(r"^\+?[0-9]{2,20}$")
_NAME = re.compile(r"^[a-z][a-z0-9_-]{0,31}$")


def _number(value: str) -> str:
    if not _NUMBER.match(value):
        raise ValueError(f"'{value}' is not a telephone number (2 to 20 digits, an optional + in front)")
    return value


def _name(value: str) -> str:
    if not _NAME.match(value):
        raise ValueError(f"'{value}' must start with a lower-case letter and hold only a-z, 0-9, - and _ (32 at most)")
    return value


def _line(value: str) -> str:
    if not re.fullmatch(r"[0-9]{3,6}", value):
        raise ValueError(f"'{value}' is not an emergency line (3 to 6 digits, such as 119)")
    return value


class InboundNumber(_Section):
    """A number that citizens dial."""

    number: str
    name: str
    queue: str

    _check_number = field_validator("number")(_number)


class Trunk(_Section):
    """A carrier that delivers calls, or takes them to the emergency lines, or both."""

    name: str
    match: list[str] = Field(
        default=[],
        description="whose calls are this trunk's: addresses or networks, such as 203.0.113.7 or 203.0.113.0/24",
    )
    address: str | None = Field(default=None, description="host[:port] that calls out are sent to; null: none can be")
    source: str | None = Field(default=None, description="110 on that line's own trunk: its calls go first (YL-3)")
    send_location: bool = Field(default=False, description="PIDF-LO (RFC 4119) in calls to the emergency lines")
    qualify_seconds: int = Field(
        default=30, ge=0, le=3600, description="a trunk that does not answer is down; 0: never"
    )
    codecs: list[Literal["alaw", "ulaw", "g722"]] = ["alaw", "ulaw"]
    register_server: str | None = Field(
        default=None, description="sip:host[:port] when the carrier wants us to register"
    )
    username: str | None = None
    password: str | None = None

    _check_name = field_validator("name")(_name)

    @field_validator("match")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for entry in value:
            try:
                ipaddress.ip_network(entry, strict=False)
            except ValueError:
                raise ValueError(f"'{entry}' is neither an address nor a network such as 203.0.113.0/24") from None
        return value

    _check_plain = field_validator("username", "password", "register_server", "address")(_plain)

    @field_validator("address")
    @classmethod
    def _reachable(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[0-9A-Za-z.-]+(:[0-9]{1,5})?", value):
            raise ValueError(f"'{value}' is not host or host:port, such as 203.0.113.7:5060")
        return value

    @field_validator("source")
    @classmethod
    def _a_line(cls, value: str | None) -> str | None:
        return value if value is None else _line(value)

    @model_validator(mode="after")
    def _for_something(self) -> Trunk:
        if not self.match and not self.address:
            raise ValueError(f"trunk {self.name} has neither match (calls in) nor address (calls out); it needs one")
        return self

    @model_validator(mode="after")
    def _registers_with_a_name(self) -> Trunk:
        if self.register_server and not (self.username and self.password):
            raise ValueError(f"trunk {self.name} has a register_server; it needs a username and a password too")
        return self

    @property
    def is_local(self) -> bool:
        """Whether calls from this machine itself are this trunk's."""
        loopback = ipaddress.ip_address("127.0.0.1")
        return any(loopback in ipaddress.ip_network(entry, strict=False) for entry in self.match)


class Target(_Section):
    """A number of an emergency line, and the trunks by which it is tried, in this order."""

    number: str
    trunks: list[str] = Field(min_length=1)

    _check_number = field_validator("number")(_number)


class EmergencyLine(_Section):
    """A line of the three-line linkage (YZ-14(5)): 110, 119, 120, 122, 114, the discipline line."""

    line: str
    name: str = Field(min_length=1, max_length=40)
    targets: list[Target] = Field(min_length=1, description="the line itself first, the station's direct number last")
    otherwise: str | None = Field(default=None, description="a line whose targets are tried when none of these answers")
    caller_key: str | None = Field(
        default=None, pattern="^[0-9]$", description="what a waiting caller presses after the emergency key"
    )
    ring_seconds: int = Field(default=20, ge=3, le=120, description="how long one target may take to answer")
    redial_after_seconds: int = Field(default=2, ge=0, le=30, description="pause before a dropped line is redialled")
    short_seconds: int = Field(
        default=10, ge=0, le=60, description="a line that hangs up sooner than this after its answer has dropped"
    )
    test: Target | None = Field(
        default=None, description="called in a rehearsal; null: our own echo, which proves less"
    )

    @field_validator("line")
    @classmethod
    def _its_number(cls, value: str) -> str:
        return _line(value)

    @field_validator("otherwise")
    @classmethod
    def _another_line(cls, value: str | None) -> str | None:
        return value if value is None else _line(value)

    @property
    def dialled(self) -> list[tuple[str, str]]:
        """Number and trunk of each target, in the order in which they are tried."""
        return [(target.number, trunk) for target in self.targets for trunk in target.trunks]


class Lines(_Section):
    """config/lines.yaml: numbers that citizens dial, the trunks of their calls, and the emergency lines."""

    numbers: list[InboundNumber] = Field(min_length=1)
    trunks: list[Trunk] = Field(min_length=1)
    emergency_lines: list[EmergencyLine] = []
    emergency_key: str = Field(
        default="9", pattern="^[0-9]$", description="what a waiting caller presses when a life is in danger"
    )
    emergency_default: str | None = Field(
        default=None, description="the line that is called when the emergency key is followed by no line's key"
    )

    offer_seconds: int = Field(
        default=3, ge=1, le=30, description="how long a caller who spoke of danger may say no before lines are dialled"
    )

    @model_validator(mode="after")
    def _unique(self) -> Lines:
        _no_twins("numbers", [n.number for n in self.numbers])
        _no_twins("trunks", [t.name for t in self.trunks])
        _no_twins("emergency_lines", [line.line for line in self.emergency_lines])
        _no_twins("emergency_lines: caller_key", [e.caller_key for e in self.emergency_lines if e.caller_key])
        return self

    def line(self, line: str) -> EmergencyLine | None:
        """The emergency line of this number."""
        return next((found for found in self.emergency_lines if found.line == line), None)

    def attempts(self, line: EmergencyLine) -> list[tuple[str, str]]:
        """Number and trunk of each attempt to reach the line: its own targets, then those of `otherwise` and so on."""
        found: dict[tuple[str, str], None] = {}
        following: EmergencyLine | None = line
        while following:
            found |= dict.fromkeys(following.dialled)
            following = self.line(following.otherwise) if following.otherwise else None
        return list(found)


class Queue(_Section):
    """A waiting line (app_queue)."""

    name: str
    title: str
    strategy: Literal["ringall", "leastrecent", "fewestcalls", "random", "rrmemory", "linear"] = "rrmemory"
    ring_seconds: int = Field(default=15, ge=3, le=120, description="how long one agent's telephone rings")
    retry_seconds: int = Field(default=1, ge=1, le=60)
    wrapup_seconds: int = Field(default=5, ge=0, le=600)
    service_level_seconds: int = Field(default=15, ge=1, description="GB/T 33358-2016: answered within 15 s")
    announce_every_seconds: int = Field(default=30, ge=0, description="position announcement; 0: never")

    _check_name = field_validator("name")(_name)


class Queues(_Section):
    """config/queues.yaml."""

    queues: list[Queue] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> Queues:
        _no_twins("queues", [q.name for q in self.queues])
        return self


class Agent(_Section):
    """A person who answers. The password is drawn at the first start and kept in the data folder."""

    extension: str
    name: str = Field(min_length=1, max_length=40)
    queues: list[str] = Field(min_length=1)
    role: Literal["agent", "supervisor"] = "agent"

    @field_validator("extension")
    @classmethod
    def _extension(cls, value: str) -> str:
        if not re.match(r"^[1-9][0-9]{2,5}$", value):
            raise ValueError(f"'{value}' is not an extension (3 to 6 digits, the first not 0)")
        return value


class Agents(_Section):
    """config/agents.yaml."""

    agents: list[Agent] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> Agents:
        _no_twins("agents", [a.extension for a in self.agents])
        return self


class Settings(_Section):
    """All of config/, and where the data lies."""

    config_dir: Path
    data_dir: Path
    hotline: Hotline
    lines: Lines
    queues: Queues
    agents: Agents

    @property
    def redis_url(self) -> str:
        return self.hotline.redis.url or f"unix://{self.data_dir / 'redis.sock'}"

    @property
    def database_url(self) -> str:
        return self.hotline.database.url or f"sqlite+aiosqlite:///{self.data_dir / 'hotline.db'}"

    @property
    def jurisdiction_dir(self) -> Path:
        return self.config_dir / "jurisdictions"

    @property
    def models_dir(self) -> Path:
        """Where installed speech models lie."""
        return self.data_dir / "models"

    @property
    def recordings_dir(self) -> Path:
        return self.data_dir / "recordings"


# A Unix socket's path may have 107 bytes (unix(7)); Asterisk and Redis each put one into the data folder.
_LONGEST_DATA_PATH = 80


def load(config_dir: Path, data_dir: Path, overrides: dict[str, str] | None = None) -> Settings:
    """Read and check config/. `overrides` are keys of hotline.yaml, such as {"ports.web": "8081"}.

    Raises ConfigurationError, with one line per mistake: file, line, key, what is wrong, what would be right.
    """
    if len(str(data_dir).encode()) > _LONGEST_DATA_PATH:
        raise ConfigurationError(
            f"{data_dir}: this path is too long for a data folder (Unix sockets lie in it): "
            f"at most {_LONGEST_DATA_PATH} bytes"
        )
    hotline_tree = read_yaml(config_dir / "hotline.yaml")
    for key, text in (overrides or {}).items():
        _override(hotline_tree.value, key, text)
    hotline = hotline_tree.as_model(Hotline)
    lines_tree = read_yaml(config_dir / "lines.yaml")
    lines = lines_tree.as_model(Lines)
    queues = read_yaml(config_dir / "queues.yaml").as_model(Queues)
    agents_tree = read_yaml(config_dir / "agents.yaml")
    agents = agents_tree.as_model(Agents)

    known = [queue.name for queue in queues.queues]
    for index, number in enumerate(lines.numbers):
        if number.queue not in known:
            raise lines_tree.error(("numbers", index, "queue"), _no_such_queue(number.queue, known))
    for index, agent in enumerate(agents.agents):
        for position, queue in enumerate(agent.queues):
            if queue not in known:
                raise agents_tree.error(("agents", index, "queues", position), _no_such_queue(queue, known))
    _check_emergency_lines(lines_tree, lines, hotline, agents)
    return Settings(
        config_dir=config_dir, data_dir=data_dir, hotline=hotline, lines=lines, queues=queues, agents=agents
    )


def _check_emergency_lines(tree: YamlFile, lines: Lines, hotline: Hotline, agents: Agents) -> None:
    """Raises ConfigurationError when a line leads nowhere, back to the hotline, or in a circle."""
    own_address = _own_addresses(hotline)
    for index, trunk in enumerate(lines.trunks):
        if trunk.address and _with_port(trunk.address) in own_address:
            raise tree.error(
                ("trunks", index, "address"),
                f"'{trunk.address}' is where this hotline itself listens; it must be the carrier's address",
            )
    for index, line in enumerate(lines.emergency_lines):
        place = ("emergency_lines", index)
        if problem := _leads_back(line.line, lines, agents):
            raise tree.error((*place, "line"), problem)
        for position, target in enumerate(line.targets):
            _check_target(tree, (*place, "targets", position), target, lines, agents)
            twins = [t for t in line.targets if t.number == target.number and set(t.trunks) & set(target.trunks)]
            if len(twins) > 1:
                raise tree.error(
                    (*place, "targets", position), f"'{target.number}' by the same trunk is there twice in this line"
                )
        if line.test:
            _check_target(tree, (*place, "test"), line.test, lines, agents)
        if line.otherwise is not None:
            _check_otherwise(tree, (*place, "otherwise"), line, lines)
        if line.caller_key is None and line.line == lines.emergency_default:
            raise tree.error(place, f"line {line.line} is the emergency_default; it needs a caller_key too")
    known = [line.line for line in lines.emergency_lines]
    if lines.emergency_default is not None and lines.emergency_default not in known:
        raise tree.error(("emergency_default",), _no_such_line(lines.emergency_default, known))


def _check_target(tree: YamlFile, place: tuple[str | int, ...], target: Target, lines: Lines, agents: Agents) -> None:
    trunks = [trunk.name for trunk in lines.trunks]
    for position, name in enumerate(target.trunks):
        if name not in trunks:
            raise tree.error(
                (*place, "trunks", position),
                f"there is no trunk '{name}' in this file (there are: {', '.join(trunks)})",
            )
    if len(set(target.trunks)) < len(target.trunks):
        raise tree.error((*place, "trunks"), "a trunk is there twice; each may be there once")
    if problem := _leads_back(target.number, lines, agents):
        raise tree.error((*place, "number"), problem)


def _check_otherwise(tree: YamlFile, place: tuple[str | int, ...], line: EmergencyLine, lines: Lines) -> None:
    way, following = [line.line], line.otherwise
    while following is not None:
        way.append(following)
        if following in way[:-1]:
            raise tree.error(place, f"the lines go in a circle: {' -> '.join(way)}; one of them must end it")
        found = lines.line(following)
        if found is None:
            raise tree.error(place, _no_such_line(following, [other.line for other in lines.emergency_lines]))
        following = found.otherwise


def _leads_back(number: str, lines: Lines, agents: Agents) -> str:
    """Why this number is the hotline itself, '' when it is not."""
    for own in lines.numbers:
        # Also with the area code in front: 0898 12345.
        if re.fullmatch(rf"((\+86|0086)0?[0-9]{{2,3}}|0[0-9]{{2,3}})?{re.escape(own.number)}", number):
            return f"'{number}' is the hotline's own number {own.number}; it must be a number of somebody else"
    if number in [agent.extension for agent in agents.agents]:
        return f"'{number}' is an agent's extension; it must be a number of somebody else"
    return ""


def _own_addresses(hotline: Hotline) -> set[tuple[str, int]]:
    asterisk, port = hotline.asterisk, hotline.ports.sip
    hosts = {asterisk.bind, asterisk.external_address or asterisk.bind}
    if hosts & {"0.0.0.0", "127.0.0.1"}:  # noqa: S104 - compared with, not listened on
        hosts |= {"127.0.0.1", "localhost"}
    return {(host, port) for host in hosts}


def _with_port(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port or 5060)


def _no_such_line(line: str, known: list[str]) -> str:
    return f"there is no emergency line '{line}' in this file (there are: {', '.join(known) or 'none'})"


def _no_such_queue(name: str, known: list[str]) -> str:
    return f"there is no queue '{name}' in queues.yaml (there are: {', '.join(known)})"


def _no_twins(what: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{what}: '{value}' is there twice; each may be there once")


def _override(tree: Any, key: str, text: str) -> None:
    *path, last = key.split(".")
    for step in path:
        if not isinstance(tree, dict):
            raise ConfigurationError(f"--set {key}: there is no section '{step}'")
        tree = tree.setdefault(step, {})
    if not isinstance(tree, dict):
        raise ConfigurationError(f"--set {key}: '{'.'.join(path)}' holds a value, not keys")
    try:
        tree[last] = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise ConfigurationError(f"--set {key}: '{text}' is not a YAML value ({problem})") from problem


ModelT = TypeVar("ModelT", bound=BaseModel)


class YamlFile:
    """A YAML file's value, and the line that each key stands on."""

    def __init__(self, path: Path, value: Any, lines: dict[tuple[str | int, ...], int]) -> None:
        self.path = path
        self.value = value
        self._lines = lines

    def line(self, key: tuple[str | int, ...]) -> int:
        """The line on which `key`, or the nearest part of the file that it belongs to, begins."""
        place = key
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 1)

    def error(self, key: tuple[str | int, ...], problem: str) -> ConfigurationError:
        """A ConfigurationError that names this file, the line of `key` and the key."""
        line = self.line(key)
        name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in key).lstrip(".")
        return ConfigurationError(f"{self.path}:{line}: {name + ': ' if name else ''}{problem}")

    def as_model(self, model: type[ModelT]) -> ModelT:
        """The value checked against `model`. Raises ConfigurationError, one line per mistake."""
        if not isinstance(self.value, dict):
            raise self.error((), "must hold keys and values")
        try:
            return model.model_validate(self.value)
        except ValidationError as problem:
            raise self._mistakes(problem) from problem

    def as_list_of(self, model: type[ModelT]) -> list[ModelT]:
        """The value, a list, each entry checked against `model`. Raises ConfigurationError, one line per mistake."""
        if not isinstance(self.value, list):
            raise self.error((), "must be a list, each entry beginning with a dash")
        try:
            return TypeAdapter(list[model]).validate_python(self.value)  # type: ignore[valid-type]
        except ValidationError as problem:
            raise self._mistakes(problem) from problem

    def _mistakes(self, problem: ValidationError) -> ConfigurationError:
        return ConfigurationError(
            "\n".join(str(self.error(_yaml_key(e["loc"]), _in_words(e))) for e in problem.errors())
        )


def _yaml_key(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    return tuple(step for step in loc if not (isinstance(step, str) and step.startswith("function-")))


def _in_words(error: Any) -> str:
    given = error.get("input")
    shown = "" if isinstance(given, dict | list) or given is None else f" (it says: {given!r})"
    match error["type"]:
        case "extra_forbidden":
            return "this key is not known here; take it out or correct its spelling"
        case "missing":
            return "this key is missing"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return f"{error['msg'][0].lower()}{error['msg'][1:]}{shown}"


_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
"""libyaml's, where PyYAML was built with it: a jurisdiction's file is read in a tenth of the time."""


def read_yaml(path: Path) -> YamlFile:
    """Read one file. Raises ConfigurationError when it is missing, not UTF-8, not YAML, or has a key twice."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: this file is missing") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"{path}: cannot be read: {problem}") from problem
    lines: dict[tuple[str | int, ...], int] = {}
    try:
        node = yaml.compose(text, Loader=_LOADER)
        _note_lines(path, node, (), lines)
        value = yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise ConfigurationError(f"{path}:{line}: not valid YAML: {problem.problem}") from problem
    except yaml.YAMLError as problem:
        raise ConfigurationError(f"{path}: not valid YAML: {problem}") from problem
    except ValueError as problem:  # what looks like a date and is none, such as 2026-02-30
        raise ConfigurationError(f"{path}: holds a date that does not exist: {problem}") from problem
    return YamlFile(path, value, lines)


def _note_lines(path: Path, node: Any, key: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]) -> None:
    if node is None:
        return
    lines.setdefault(key, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            place = (*key, key_node.value)
            if place in lines:
                raise ConfigurationError(
                    f"{path}:{key_node.start_mark.line + 1}: the key '{key_node.value}' is there twice "
                    f"(first in line {lines[place]})"
                )
            lines[place] = key_node.start_mark.line + 1
            _note_lines(path, value_node, place, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_lines(path, item, (*key, index), lines)
