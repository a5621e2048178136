"""How values lie in columns, exactly.

uint256, hashes, addresses  BLOB of their full width, big-endian
amounts in wei              TEXT, decimal, so that an operator can read them
exact fractions             TEXT, "numerator/denominator", hexadecimal: Python limits the digits of decimal
                            conversions, and a sum of fractions has no limit
"""

from fractions import Fraction


def uint256(value: int) -> bytes:
    return value.to_bytes(32, "big")


def from_uint256(blob: bytes) -> int:
    return int.from_bytes(blob, "big")


def fraction(value: Fraction) -> str:
    return f"{value.numerator:x}/{value.denominator:x}"


def from_fraction(text: str) -> Fraction:
    numerator, _, denominator = text.partition("/")
    return Fraction(int(numerator, 16), int(denominator, 16))
