"""Calls one after the other in a single `eth_call`, so that the later ones see what the earlier ones did.

Nothing is deployed for it: the node is told to assume this code at an address where there is none. It calls what its
calldata lists and answers with what came back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scripts._deployment.errors import DeploymentError
from scripts._deployment.site import Answer, Site

CALLER = "0x00000000000000000000000000000000c0FFEE01"
# Of each call in calldata: whom, wei, length, then the data. Of each answer: success, length, then the data.
_WORD = 32
# Stack, the top last: position in calldata, position in memory. 2 and 11 are where its two JUMPDESTs are.
_PROGRAM = """
    PUSH0 PUSH0
    JUMPDEST CALLDATASIZE DUP3 LT PUSH1 11 JUMPI PUSH0 RETURN
    JUMPDEST DUP2 PUSH1 64 ADD CALLDATALOAD                                      ; length
    DUP1 DUP4 PUSH1 96 ADD DUP4 PUSH1 64 ADD CALLDATACOPY                        ; data, behind the answer's head
    PUSH0 PUSH0 DUP3 DUP5 PUSH1 64 ADD DUP7 PUSH1 32 ADD CALLDATALOAD
    DUP8 CALLDATALOAD GAS CALL                                                   ; with all but a 64th of the gas
    DUP3 MSTORE RETURNDATASIZE DUP3 PUSH1 32 ADD MSTORE                          ; success and length of the answer
    RETURNDATASIZE PUSH0 DUP4 PUSH1 64 ADD RETURNDATACOPY                        ; its data
    DUP3 ADD PUSH1 96 ADD SWAP2 POP RETURNDATASIZE ADD PUSH1 64 ADD              ; on to the next
    PUSH1 2 JUMP
"""
_CODES = """
    ADD:01 LT:10 CALLDATALOAD:35 CALLDATASIZE:36 CALLDATACOPY:37 RETURNDATASIZE:3d RETURNDATACOPY:3e POP:50 MSTORE:52
    JUMP:56 JUMPI:57 GAS:5a JUMPDEST:5b PUSH0:5f PUSH1:60 DUP1:80 DUP2:81 DUP3:82 DUP4:83 DUP5:84 DUP7:86 DUP8:87
    SWAP2:91 CALL:f1 RETURN:f3
"""
_OPCODES = {name: int(code, 16) for name, code in (entry.split(":") for entry in _CODES.split())}


def _assembled(program: str) -> bytes:
    words = " ".join(line.split(";")[0] for line in program.splitlines()).split()
    return bytes(int(word) if word.isdecimal() else _OPCODES[word] for word in words)


CODE = _assembled(_PROGRAM)


@dataclass(frozen=True, slots=True)
class Request:
    to: str
    data: bytes
    value_wei: int = 0


def run_all(site: Site, requests: Sequence[Request], overrides: dict[str, dict[str, Any]]) -> list[Answer]:
    """What each of them answers, on the present state with the overrides; nothing of it stays.

    :raises DeploymentError: if the node does not do this.
    """
    packed = b"".join(
        bytes.fromhex(r.to[2:]).rjust(_WORD, b"\0") + r.value_wei.to_bytes(_WORD) + len(r.data).to_bytes(_WORD) + r.data
        for r in requests
    )
    assumed = {"code": "0x" + CODE.hex(), "balance": hex(sum(r.value_wei for r in requests))}
    outcome = site.attempt({"to": CALLER, "data": "0x" + packed.hex()}, {**overrides, CALLER: assumed})
    if not outcome.ok:
        raise DeploymentError(f"the node ran out of gas or refused: {outcome.reason}")
    answers, at = [], 0
    for _ in requests:
        success, length = (int.from_bytes(outcome.data[at + i * _WORD : at + (i + 1) * _WORD]) for i in (0, 1))
        at += 2 * _WORD
        answers.append(Answer(success == 1, outcome.data[at : at + length]))
        at += length
    if at != len(outcome.data):
        raise DeploymentError("the node does not assume code for the length of a call, so nothing can be tried on it")
    return answers
