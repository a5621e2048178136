"""What a decision would change, tried on the present state: every view of the deployment, before and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from scripts._deployment.governance import CREATOR, GOVERNOR, TREASURY, VOTING
from scripts._deployment.site import ERROR_STRING, Answer, Site
from scripts._governance.batch import Request, run_all
from scripts._governance.decision import Call, Decision
from scripts._governance.errors import Refused
from scripts._governance.values import shown
from scripts._layouts import layout_of

FOR = 1
# More votes than there can be.
ALL_VOTES = 2**200
# Of a timelock's operation: ready since 1970. One is "done".
READY = 2


@dataclass(frozen=True, slots=True)
class Change:
    subject: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class _View:
    subject: str
    to: str
    data: bytes
    outputs: tuple[str, ...]

    def text(self, answer: Answer, names: dict[str, str]) -> str:
        if not answer.ok:
            return f"no answer ({answer.reason})"
        try:
            values = decode(self.outputs, answer.data)
        except DecodingError:
            return "no answer"
        return shown(values[0] if len(values) == 1 else values, names)


def names_of(site: Site) -> dict[str, str]:
    """Address -> contract."""
    return {address: name for name, address in site.addresses.items()}


# --- trying ---------------------------------------------------------------------------------------


def changes_of_update(site: Site, decision: Decision) -> list[Change]:
    """:raises Refused: if the Governor could not carry it out."""
    governor = site.addresses[GOVERNOR]
    slot = layout_of(GOVERNOR)["updates"]["slot"]
    overrides = {governor: {"stateDiff": {_word(_mapped(slot, decision.update_id)): _word(1)}}}
    data = site.calldata(GOVERNOR, "execute", decision.update)
    return _changes(site, decision, governor, Request(governor, data, decision.value_wei), overrides)


def changes_of_proposal(site: Site, decision: Decision) -> list[Change]:
    """As if everybody had voted for it and the delay was over.

    :raises Refused: if the treasury could not carry it out.
    """
    current = int(site.read(VOTING, "clock"))
    if int(site.read("BondingVotes", "getPastTotalSupply", current - 1)) == 0:
        raise Refused(
            f"no stake was active at the end of round {current - 1}: nobody could vote, so nothing can be tried. "
            "Bond LPT (livepeer-client bond) and wait for a round to end; docs/deploy.md says how on a local chain"
        )
    governor, treasury = site.addresses[VOTING], site.addresses[TREASURY]
    layout: Any = layout_of(VOTING)
    proposal = _mapped(layout["_proposals"]["slot"], decision.proposal_id.to_bytes(32))
    votes = _mapped(layout["tally"]["_votes"]["slot"], decision.proposal_id.to_bytes(32))
    # Proposer, canceled, executed, snapshot, deadline.
    members = (1, 0, 0, current - 1, current - 1)
    of_governor = {_word(proposal + i): _word(value) for i, value in enumerate(members)}
    of_governor[_word(_mapped(votes, FOR.to_bytes(32)))] = _word(ALL_VOTES)
    of_governor[_word(_mapped(layout["_operations"]["slot"], decision.proposal_id.to_bytes(32)))] = _word(0)
    timestamps = _mapped(layout_of(TREASURY)["_timestamps"]["slot"], decision.operation)
    overrides = {
        governor: {"stateDiff": of_governor},
        treasury: {"stateDiff": {_word(timestamps): _word(READY)}},
    }
    data = site.calldata(VOTING, "execute", *decision.lists, decision.description_hash)
    return _changes(site, decision, treasury, Request(governor, data), overrides)


def _changes(
    site: Site, decision: Decision, executor: str, execution: Request, overrides: dict[str, dict[str, Any]]
) -> list[Change]:
    for i, call in enumerate(decision.calls):
        if call.data and not site.code(call.to):
            raise Refused(f"call {i + 1}: there is no contract at {call.to}")
    views = list(dict.fromkeys(_views(site, decision, executor)))
    asked = [Request(view.to, view.data) for view in views]
    answers = run_all(site, [*asked, execution, *asked], overrides)
    before, done, after = answers[: len(views)], answers[len(views)], answers[len(views) + 1 :]
    if not done.ok:
        raise Refused(_why(site, decision, executor, done))
    names = names_of(site)
    return [
        Change(view.subject, view.text(old, names), view.text(new, names))
        for view, old, new in zip(views, before, after, strict=True)
        if old != new
    ]


def _why(site: Site, decision: Decision, executor: str, done: Answer) -> str:
    """Neither the timelock nor the Governor says which call it was: try them one by one."""
    names = names_of(site)
    for i, call in enumerate(decision.calls):
        request = {"from": executor, "to": call.to, "data": "0x" + call.data.hex(), "value": hex(call.value_wei)}
        answer = site.attempt(request, {executor: {"balance": hex(2**128)}})
        if not answer.ok:
            return f"call {i + 1}, {call.text(names)}, would fail: {answer.reason}"
    return f"the calls work one by one and fail together: {_inner(done.data)}"


def _inner(data: bytes) -> str:
    """The Governor wraps a failed call's answer as a reason."""
    while data[:4] == ERROR_STRING:
        data = decode(["bytes"], data[4:], strict=False)[0]
    return data.decode(errors="replace") or "no reason given"


# --- what to look at ------------------------------------------------------------------------------


def _views(site: Site, decision: Decision, executor: str) -> Iterator[_View]:
    """Every view without arguments of the deployment, and for each call those that take its first arguments."""
    for name in sorted(site.addresses):
        if name.endswith("Target") or name == CREATOR:
            continue
        for view in site.type_of(site.interface(name)).view_methods:
            if not view.inputs:
                yield _view(site, name, view, [])
    for call in decision.calls:
        if call.contract:
            yield from _related(site, call, executor)


def _related(site: Site, call: Call, executor: str) -> Iterator[_View]:
    for view in site.type_of(site.interface(call.contract)).view_methods:
        kinds = [argument.canonical_type for argument in view.inputs]
        if not kinds:
            continue
        given = call.arguments[: len(kinds)]
        if [kind for _, kind, _ in given] == kinds:
            yield _view(site, call.contract, view, [value for *_, value in given])
        if kinds == ["address"]:
            yield _view(site, call.contract, view, [executor])


def _view(site: Site, name: str, view: Any, arguments: list[Any]) -> _View:
    kinds = [argument.canonical_type for argument in view.inputs]
    told = ", ".join(shown(value, names_of(site)) for value in arguments)
    data = bytes(keccak(text=view.selector)[:4]) + encode(kinds, arguments)
    outputs = tuple(output.canonical_type for output in view.outputs)
    return _View(f"{name}.{view.name}({told})" if told else f"{name}.{view.name}", site.addresses[name], data, outputs)


# --- storage --------------------------------------------------------------------------------------


def _mapped(slot: int, key: bytes) -> int:
    """Where a Vyper HashMap keeps the value of a key."""
    return int.from_bytes(keccak(slot.to_bytes(32) + key))


def _word(value: int) -> str:
    return "0x" + value.to_bytes(32).hex()
