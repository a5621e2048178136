"""JSON values as nodes write them: quantities, data, blocks."""

from collections.abc import Mapping
from typing import Any

from livepeer_client.adapters.chain.rpc import BadAnswer
from livepeer_client.facts import Block
from livepeer_client.types import HASH_BYTES, BlockNumber, Hash32


def quantity(value: object) -> int:
    """A hex quantity.

    :raises BadAnswer: not one.
    """
    try:
        return int(str(value), 16)
    except ValueError as error:
        raise BadAnswer(f"expected a hex quantity, got {value!r:.80}") from error


def data_bytes(value: object, width: int | None = None) -> bytes:
    """Hex data, of `width` bytes if given.

    :raises BadAnswer: not that.
    """
    text = str(value)
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise BadAnswer(f"expected hex data, got {text:.80}") from error
    if not text.startswith("0x") or (width is not None and len(found) != width):
        raise BadAnswer(f"expected {width or 'some'} bytes of hex data, got {text:.80}")
    return found


def to_hex(data: bytes) -> str:
    return "0x" + data.hex()


def member(value: object, name: str) -> Any:
    """One member of a JSON object.

    :raises BadAnswer: `value` is no object, or lacks it.
    """
    if not isinstance(value, Mapping) or name not in value:
        raise BadAnswer(f"expected an object with {name!r}")
    return value[name]


def block_of(answer: object) -> Block | None:
    """A node's block object."""
    if answer is None:
        return None
    # On Arbitrum the contracts see the L1 number that the L2 header carries (onchain 17).
    l1_block = answer.get("l1BlockNumber") if isinstance(answer, Mapping) else None
    number = BlockNumber(quantity(member(answer, "number")))
    return Block(
        number=number,
        hash=Hash32(data_bytes(member(answer, "hash"), HASH_BYTES)),
        parent_hash=Hash32(data_bytes(member(answer, "parentHash"), HASH_BYTES)),
        timestamp=quantity(member(answer, "timestamp")),
        l1_block=number if l1_block is None else BlockNumber(quantity(l1_block)),
    )
