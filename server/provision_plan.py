"""What has to change in LiveKit so that it has what the file says."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from google.protobuf.json_format import MessageToDict
from livekit.protocol import sip as pb

from server.provision_wanted import Info, Wanted

Kind = Literal["inbound trunk", "outbound trunk", "dispatch rule"]

SECRETS = frozenset({"auth_password", "pin"})
NOT_COMPARED = frozenset(
    {"sip_trunk_id", "sip_dispatch_rule_id", "created_at", "updated_at", "media_encryption"}
)
"""What LiveKit writes itself, and the old place of ``media.encryption``."""


@dataclass(frozen=True)
class FieldChange:
    """One field, as text; a secret's values are not in it."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """One thing to create, replace or delete.

    Parameters:
        do: What to do.
        kind: What it is.
        name: Its name.
        id: LiveKit's id; "" for what is not there yet.
        wanted: What it should be; None to delete it.
        fields: What differs.
    """

    do: Literal["create", "update", "delete"]
    kind: Kind
    name: str
    id: str = ""
    wanted: Info | None = field(default=None, repr=False)
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True)
class Existing:
    """What LiveKit has."""

    inbound: Sequence[pb.SIPInboundTrunkInfo] = ()
    outbound: Sequence[pb.SIPOutboundTrunkInfo] = ()
    rules: Sequence[pb.SIPDispatchRuleInfo] = ()


@dataclass(frozen=True)
class Plan:
    """What to do, in this order.

    Parameters:
        changes: Deletions first, then trunks, then the rules that name them.
        unchanged: How many are right already.
        stale: Made by this file's owner and not in the file any more; not deleted by this plan.
        left_alone: Made by somebody else.
        warnings: What lets anyone in and stays.
        problems: Names that stand for two things, which nothing can be said of.
    """

    changes: tuple[Change, ...]
    unchanged: int
    stale: tuple[str, ...]
    left_alone: tuple[str, ...]
    warnings: tuple[str, ...]
    problems: tuple[str, ...]


def make_plan(wanted: Wanted, existing: Existing, *, prune: bool) -> Plan:
    """Compare by name."""
    names = {t.sip_trunk_id: t.name for t in existing.inbound}
    kinds: tuple[tuple[Kind, Mapping[str, Info], Sequence[Info]], ...] = (
        ("inbound trunk", wanted.inbound, existing.inbound),
        ("outbound trunk", wanted.outbound, existing.outbound),
        ("dispatch rule", wanted.rules, existing.rules),
    )
    kept: list[Change] = []
    deleted: list[Change] = []
    stale: list[str] = []
    warnings: list[str] = []
    left_alone: list[str] = []
    problems: list[str] = []
    unchanged = 0
    for kind, should, have in kinds:
        by_name = {info.name: info for info in have}
        problems += _ambiguous(kind, should, have)
        for name, info in should.items():
            if name not in by_name:
                kept.append(Change("create", kind, name, "", info, _differences(None, info, names)))
            elif found := _differences(by_name[name], info, names):
                kept.append(Change("update", kind, name, id_of(by_name[name]), info, found))
            else:
                unchanged += 1
        for info in have:
            if info.name in should:
                continue
            if info.metadata != wanted.mark:
                left_alone.append(f"{kind} {info.name or id_of(info)}")
            elif prune:
                deleted.append(Change("delete", kind, info.name, id_of(info)))
                continue
            else:
                stale.append(f"{kind} {info.name}")
            warnings += _lets_anyone_in(kind, info)
    deleted.sort(key=lambda change: change.kind != "dispatch rule")  # rules name trunks
    return Plan(
        (*deleted, *kept),
        unchanged,
        tuple(stale),
        tuple(left_alone),
        tuple(warnings),
        tuple(problems),
    )


def id_of(info: Info) -> str:
    """LiveKit's id of a trunk or rule."""
    if isinstance(info, pb.SIPDispatchRuleInfo):
        return info.sip_dispatch_rule_id
    return info.sip_trunk_id


def _ambiguous(kind: Kind, should: Iterable[str], have: Sequence[Info]) -> Iterator[str]:
    for name in should:
        ids = [id_of(info) for info in have if info.name == name]
        if len(ids) > 1:
            yield f"LiveKit has {len(ids)} of {kind} {name}: delete all but one of {', '.join(ids)}"


def _lets_anyone_in(kind: Kind, info: Info) -> Iterator[str]:
    """What a file may not say without ``open``, and LiveKit has from elsewhere."""
    match info:
        case pb.SIPDispatchRuleInfo() if not info.trunk_ids:
            yield f"{kind} {info.name or id_of(info)} names no trunk: calls that match none come in"
        case pb.SIPInboundTrunkInfo() if not (info.allowed_addresses or info.auth_password):
            yield f"{kind} {info.name or id_of(info)} lets anyone call in"


def _differences(
    before: Info | None, after: Info, names: Mapping[str, str]
) -> tuple[FieldChange, ...]:
    old, new = _flat(before, names) if before else {}, _flat(after, names)
    return tuple(
        FieldChange(name, *_shown(name, old.get(name), new.get(name)))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    )


def _flat(info: Info, names: Mapping[str, str]) -> dict[str, Any]:
    """Fields that are set, by dotted name; lists sorted, trunks by name."""
    data = MessageToDict(info, preserving_proto_field_name=True)
    if "trunk_ids" in data:
        data["trunk_ids"] = [names.get(trunk, trunk) for trunk in data["trunk_ids"]]
    return {name: value for name, value in _walk(data) if name not in NOT_COMPARED}


def _walk(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield from _walk(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            items = [_text(item) for item in value]
            # The first codec is the preferred one; all other lists are sets.
            yield prefix + key, items if key == "codecs" else sorted(items)
        else:
            yield prefix + key, value


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(str(part) for part in value.values())
    return str(value)


def _shown(name: str, before: Any, after: Any) -> tuple[str, str]:
    last = name.rpartition(".")[2]
    if last in SECRETS or name.startswith("headers."):
        return ("", "set") if before is None else ("set", "unset" if after is None else "changed")
    return _joined(before), _joined(after)


def _joined(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(value) if isinstance(value, list) else str(value)
