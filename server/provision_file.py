"""``docker/telephony.yaml``: who may call in, through whom we call out, who answers."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from bots.problems import read_yaml, validation_problems
from services.problem import Problem

UNSET = "\N{REPLACEMENT CHARACTER}"
"""Stands for a variable that is not set, so that the other problems are found too."""
SECRET_KEYS = frozenset({"password", "pin"})
REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

Secs = Annotated[int, Field(ge=1, le=86_400)]


class _Keys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Trunk(_Keys):
    """What trunks of both directions have.

    Parameters:
        name: Identifies it; a trunk of this name is changed, not made again.
        username: Digest user; goes with ``password``.
        password: Digest password, always ``${NAME}``.
        headers: SIP headers to send: inbound on the 200 OK, outbound on the INVITE.
        headers_to_attributes: Header of the far end → attribute of its participant.
        attributes_to_headers: Attribute → header of BYE and REFER.
        include_headers: Headers that become ``sip.h.<name>``.
        codecs: The only ones to use; LiveKit's (G722, PCMU, PCMA) unless given.
        encryption: SRTP: ``disable``, ``allow`` or ``require``.
        media_timeout_secs: The call ends after so long without RTP: longer than any hold.
    """

    name: str
    username: str = ""
    password: SecretStr = SecretStr("")
    headers: Mapping[str, str] = {}
    headers_to_attributes: Mapping[str, str] = {}
    attributes_to_headers: Mapping[str, str] = {}
    include_headers: Literal["none", "x", "all"] = "x"
    codecs: tuple[Literal["PCMU", "PCMA", "G722", "AMR-WB"], ...] = ()
    encryption: Literal["disable", "allow", "require"] = "disable"
    media_timeout_secs: Annotated[int, Field(ge=15, le=600)] = 300


class InboundTrunk(_Trunk):
    """Who may call in.

    Parameters:
        numbers: Called numbers; none means any.
        allowed_addresses: IP addresses and networks that INVITEs come from.
        allowed_numbers: Calling numbers; no protection, a caller writes his own.
        realm: Of the digest challenge; LiveKit's name unless given.
        ringing_timeout_secs: How long it rings before 486.
        max_call_duration_secs: The outermost fence of a call.
        open: Anyone may call in.
    """

    numbers: tuple[str, ...] = ()
    allowed_addresses: tuple[str, ...] = ()
    allowed_numbers: tuple[str, ...] = ()
    realm: str = ""
    ringing_timeout_secs: Annotated[int, Field(ge=1, le=180)] = 60
    max_call_duration_secs: Secs = 3660
    open: bool = False


class OutboundTrunk(_Trunk):
    """Through whom calls go out.

    Parameters:
        address: ``host`` or ``host:port``, without ``sip:``.
        numbers: Caller ids that the carrier accepts.
        transport: SIP transport.
        from_host: Host of the From header; LiveKit's own unless given.
        country: Where calls go, ISO 3166-1; used by LiveKit Cloud alone.
    """

    address: str
    numbers: tuple[str, ...]
    transport: Literal["auto", "udp", "tcp", "tls"] = "auto"
    from_host: str = ""
    country: str = ""


class DispatchRule(_Keys):
    """Which room a call goes to and which agent answers: one of direct, individual, callee.

    Parameters:
        name: Identifies it.
        trunks: Names of inbound trunks of the file.
        direct: Name of the one room.
        individual: Prefix of a room of its own for each call.
        callee: Prefix of a room named after the called number.
        randomness: Whether the room's name ends in random characters.
        pin: Digits that the caller must enter, always ``${NAME}``.
        numbers: Called numbers, exactly as the carrier sends them; none means any.
        inbound_numbers: Calling numbers, likewise.
        agent: Who answers; ``LIVEKIT_AGENT_NAME`` unless given.
        agent_metadata: Reaches the call's job.
        hide_phone_number: Keep the caller's number out of the room.
        attributes: Given to the caller's participant.
        empty_timeout_secs: A room that nobody enters ends after it.
        departure_timeout_secs: A room that the caller left ends after it.
        open: Calls that match no trunk come in too.
    """

    name: str
    trunks: tuple[str, ...] = ()
    direct: str | None = None
    individual: str | None = None
    callee: str | None = None
    randomness: bool = True
    pin: SecretStr = SecretStr("")
    numbers: tuple[str, ...] = ()
    inbound_numbers: tuple[str, ...] = ()
    agent: str = ""
    agent_metadata: str = ""
    hide_phone_number: bool = False
    attributes: Mapping[str, str] = {}
    empty_timeout_secs: Secs = 60
    departure_timeout_secs: Secs = 5
    open: bool = False


class Telephony(_Keys):
    """The whole file.

    Parameters:
        owner: Marks what this file made; ``--prune`` deletes nothing without this mark.
        inbound_trunks: Who may call in.
        outbound_trunks: Through whom calls go out.
        dispatch_rules: Who answers.
    """

    owner: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$")] = "switchboard"
    inbound_trunks: tuple[InboundTrunk, ...] = ()
    outbound_trunks: tuple[OutboundTrunk, ...] = ()
    dispatch_rules: tuple[DispatchRule, ...] = ()


@dataclass(frozen=True)
class FoundTelephony:
    """What was read.

    Parameters:
        telephony: All files together; without the files that have problems.
        problems: What is wrong with them.
    """

    telephony: Telephony
    problems: tuple[Problem, ...]


def read_telephony(paths: Iterable[Path], environ: Mapping[str, str]) -> FoundTelephony:
    """Read files into one; ``${NAME}`` is looked up in ``environ``."""
    problems: list[Problem] = []
    parts: list[Telephony] = []
    for path in paths:
        data, wrong = read_yaml(path)
        problems += wrong
        if wrong:
            continue
        filled, wrong = _fill(data, environ, path)
        problems += wrong
        try:
            parts.append(Telephony.model_validate(filled))
        except ValidationError as error:
            problems += validation_problems(path, Telephony, error)
    owners = sorted({part.owner for part in parts})
    if len(owners) > 1:
        message = f"differs between the files: {', '.join(owners)}"
        problems.append(Problem("files", "owner", message, "give them one owner"))
    together = Telephony(
        owner=owners[0] if owners else "switchboard",
        inbound_trunks=tuple(t for part in parts for t in part.inbound_trunks),
        outbound_trunks=tuple(t for part in parts for t in part.outbound_trunks),
        dispatch_rules=tuple(r for part in parts for r in part.dispatch_rules),
    )
    return FoundTelephony(together, tuple(problems))


def _fill(
    data: Mapping[str, Any], environ: Mapping[str, str], path: Path
) -> tuple[Any, list[Problem]]:
    """Put the environment's values in; a secret that is written out is a problem."""
    problems: list[Problem] = []

    def look_up(key: str, name: str) -> str:
        if value := environ.get(name):
            return value
        remedy = f"set {name} in the environment or .env"
        problems.append(Problem(str(path), key, f"${{{name}}} is not set", remedy))
        return UNSET

    def fill(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {k: fill(v, f"{key}.{k}" if key else str(k)) for k, v in value.items()}
        if isinstance(value, list):
            return [fill(item, f"{key}.{index}") for index, item in enumerate(value)]
        if key.rpartition(".")[2] in SECRET_KEYS and not _is_reference(value):
            message = "is a secret written out"
            remedy = "write ${NAME} and set NAME in the environment or .env"
            problems.append(Problem(str(path), key, message, remedy))
            return UNSET
        if isinstance(value, str):
            return REFERENCE.sub(lambda found: look_up(key, found[1]), value)
        return value

    return fill(data, ""), problems


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and REFERENCE.fullmatch(value) is not None
