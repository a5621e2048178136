"""Values in a file of a decision, as people write them, and those of the chain, as people read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

from scripts._deployment.printing import quoted

WEI_PER_COIN = 10**18
# More digits than 256 bits have, so that nothing is rounded.
EXACT = Context(prec=200)
ETH = "ETH"
COINS = (ETH, "LPT")
# Of 2^256.
MAX_DIGITS = 78
_HASHED = re.compile(r"^keccak256\((.+)\)$")
_ARRAY = re.compile(r"^(.*)\[(\d*)\]$")
_SIZED = re.compile(r"^(u?int|bytes)(\d+)$")


def parsed(value: Any, kind: str, components: Any, names: Mapping[str, str]) -> Any:
    """A value of an ABI type.

    :param kind: such as `uint256`, `address[]` or `tuple`.
    :param components: members of a tuple, each with `name`, `type` and `components`.
    :param names: contract -> address; a name stands for its address.
    :raises ValueError: with what would be right.
    """
    if array := _ARRAY.match(kind):
        inner, length = array.groups()
        if not isinstance(value, list) or (length and len(value) != int(length)):
            raise ValueError(f"{value!r}: a list of {length or 'any number of'} {inner} is needed")
        return [parsed(item, inner, components, names) for item in value]
    if kind == "tuple":
        if not isinstance(value, list) or len(value) != len(components):
            raise ValueError(f"{value!r}: a list of {len(components)} values is needed")
        pairs = zip(value, components, strict=True)
        return tuple(parsed(item, str(c.type), c.components, names) for item, c in pairs)
    if kind == "address":
        return _address(value, names)
    if kind == "bool":
        if not isinstance(value, bool):
            raise ValueError(f"{value!r}: true or false is needed")
        return value
    if kind == "string":
        if not isinstance(value, str):
            raise ValueError(f"{value!r}: a text is needed")
        return value
    if kind == "bytes":
        return _bytes(value, None)
    if not (sized := _SIZED.match(kind)):
        raise ValueError(f"values of type {kind} cannot be written here")
    return _bytes(value, int(sized[2])) if sized[1] == "bytes" else _integer(value, sized[1], int(sized[2]))


def amount(value: Any, coins: Sequence[str] = COINS) -> int:
    """Wei or other smallest units: a whole number, or a text such as "1.5 LPT".

    :param coins: whose amount it may be.
    :raises ValueError: with what would be right.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    figure, _, coin = str(value).partition(" ") if isinstance(value, str) else ("", "", "")
    try:
        number = Decimal(figure)
    except InvalidOperation as error:
        raise ValueError(f'{value!r}: a whole number or an amount such as "1.5 LPT" is needed') from error
    if coin and coin not in coins:
        raise ValueError(f"{value!r}: amounts are in {' or '.join(coins)}")
    if not number.is_finite() or number.adjusted() > MAX_DIGITS:
        raise ValueError(f"{value!r}: a number that 256 bits hold is needed")
    units = EXACT.multiply(number, WEI_PER_COIN) if coin else number
    if units != int(units):
        raise ValueError(f"{value!r}: there is no part of a {'wei' if coin else 'unit'}")
    return int(units)


def _integer(value: Any, kind: str, bits: int) -> int:
    found = amount(value)
    low, high = (0, 2**bits - 1) if kind == "uint" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if not low <= found <= high:
        raise ValueError(f"{value!r}: {kind}{bits} goes from {low} to {high}")
    return found


def _address(value: Any, names: Mapping[str, str]) -> str:
    if isinstance(value, str) and value in names:
        return names[value]
    if not isinstance(value, str) or not is_address(value):
        raise ValueError(f"{value!r}: an address is needed, or one of {', '.join(sorted(names))}")
    return str(to_checksum_address(value))


def _bytes(value: Any, length: int | None) -> bytes:
    if isinstance(value, str) and length == 32 and (hashed := _HASHED.match(value)):
        return bytes(keccak(text=hashed[1]))
    try:
        if not isinstance(value, str) or not value.startswith("0x"):
            raise ValueError
        found = bytes.fromhex(value[2:])
    except ValueError:
        hint = " or keccak256(TEXT)" if length == 32 else ""
        raise ValueError(f"{value!r}: 0x and hex digits are needed{hint}") from None
    if length is not None and len(found) != length:
        raise ValueError(f"{value!r}: {length} bytes are needed, these are {len(found)}")
    return found


def shown(value: Any, names: Mapping[str, str]) -> str:
    """For people: addresses by name where they have one, large figures in parts, texts in quotes.

    :param names: address -> contract.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        # What could be an amount is told as one too. Rounds and shares are smaller; ids are larger, and not round.
        milli = WEI_PER_COIN // 1000
        amount_like = value >= milli and (value < WEI_PER_COIN * 10**12 or value % milli == 0)
        return (
            f"{value:,} ({EXACT.divide(Decimal(value), Decimal(WEI_PER_COIN)):f} × 1e18)"
            if amount_like
            else f"{value:,}"
        )
    if isinstance(value, (bytes, bytearray)):
        # In full: what is left out could be what a call is about.
        return f"0x{value.hex()}" if len(value) <= 32 else f"0x{value.hex()} ({len(value)} bytes)"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(shown(item, names) for item in value) + ")"
    if isinstance(value, str) and is_address(value):
        address = str(to_checksum_address(value))
        return f"{names[address]} {address}" if address in names else address
    return quoted(str(value))
