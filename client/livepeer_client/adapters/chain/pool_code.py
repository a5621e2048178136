"""The whole transcoder pool in one call, on any network: code that is run and deployed nowhere.

A call without a receiver runs its data as the code of a constructor, and answers with what that returns. This one asks
the BondingManager for the first member and then for the next of each, and returns their addresses, a word each.
"""

from collections.abc import Sequence
from typing import Final

from livepeer_client.adapters.chain.abi import load_abi
from livepeer_client.errors import MalformedMessage
from livepeer_client.types import ADDRESS_BYTES, Address

WORD: Final = 32
_LIST: Final = 0x40
"""Where the answers begin in memory; the call's own data is before it."""


def walk_code(bonding_manager: Address) -> bytes:
    """Constructor code that returns the pool of `bonding_manager` from head to tail; it reverts if a read fails."""
    functions = load_abi("BondingManager")
    first = functions.function("getFirstTranscoderInPool").selector
    following = functions.function("getNextTranscoderInPool").selector

    def select(selector: bytes) -> list[str | int | bytes]:
        # mem[0] = selector << 224
        return ["PUSH4", selector, "PUSH1", 0xE0, "SHL", "PUSH1", 0, "MSTORE"]

    def ask(argument_bytes: int) -> list[str | int | bytes]:
        # [at] -> [at], mem[at] = answer; jumps to `fail` without one
        call: list[str | int | bytes] = [
            "PUSH1",
            WORD,
            "DUP2",
            "PUSH1",
            4 + argument_bytes,
            "PUSH1",
            0,
            "PUSH20",
            bonding_manager,
        ]
        return [*call, *("GAS", "STATICCALL", "ISZERO", "PUSH1", "=fail", "JUMPI")]

    return _assemble(
        [
            *select(first),
            *("PUSH1", _LIST),
            *ask(0),
            *select(following),
            # [at]: the argument of the next question is the last answer, until that is zero
            *(":loop", "DUP1", "MLOAD", "DUP1", "ISZERO", "PUSH1", "=done", "JUMPI", "PUSH1", 4, "MSTORE"),
            *("PUSH1", WORD, "ADD"),
            *ask(WORD),
            *("PUSH1", "=loop", "JUMP"),
            # [at, 0] -> return mem[_LIST:at]
            *(":done", "POP", "PUSH1", _LIST, "SWAP1", "SUB", "PUSH1", _LIST, "RETURN"),
            *(":fail", "PUSH1", 0, "PUSH1", 0, "REVERT"),
        ]
    )


def members(answer: bytes) -> list[Address]:
    """What `walk_code` returned.

    :raises MalformedMessage: not a list of distinct addresses.
    """
    words = [answer[at : at + WORD] for at in range(0, len(answer), WORD)]
    found = [Address(word[-ADDRESS_BYTES:]) for word in words]
    padded = all(len(word) == WORD and not any(word[:-ADDRESS_BYTES]) for word in words)
    if not padded or len(set(found)) < len(found):
        raise MalformedMessage("the transcoder pool", f"{len(answer)} bytes that are no list of members")
    return found


_OPCODES: Final = {
    "ADD": 0x01,
    "SUB": 0x03,
    "ISZERO": 0x15,
    "SHL": 0x1B,
    "POP": 0x50,
    "MLOAD": 0x51,
    "MSTORE": 0x52,
    "JUMP": 0x56,
    "JUMPI": 0x57,
    "GAS": 0x5A,
    "JUMPDEST": 0x5B,
    "PUSH1": 0x60,
    "PUSH4": 0x63,
    "PUSH20": 0x73,
    "DUP1": 0x80,
    "DUP2": 0x81,
    "SWAP1": 0x90,
    "RETURN": 0xF3,
    "STATICCALL": 0xFA,
    "REVERT": 0xFD,
}


def _assemble(parts: Sequence[str | int | bytes]) -> bytes:
    """Opcodes by name, data after pushes; `:name` marks a place and `=name` pushes it, in one byte."""
    code, places, jumps = bytearray(), dict[str, int](), dict[int, str]()
    for part in parts:
        if isinstance(part, bytes):
            code += part
        elif isinstance(part, int):
            code.append(part)
        elif part.startswith(":"):
            places[part[1:]] = len(code)
            code.append(_OPCODES["JUMPDEST"])
        elif part.startswith("="):
            jumps[len(code)] = part[1:]
            code.append(0)
        else:
            code.append(_OPCODES[part])
    for at, name in jumps.items():
        code[at] = places[name]
    return bytes(code)
