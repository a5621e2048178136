"""How long a decision may be: the figures of the contracts, read from their source."""

from __future__ import annotations

import re
from functools import cache

from scripts._environment import ROOT
from scripts._governance.errors import InvalidDecision

SOURCE = "contracts/modules/action.vy"
_CONSTANT = re.compile(r"^(MAX_\w+): constant\(uint256\) = (\d+)$", re.MULTILINE)


@cache
def bounds() -> dict[str, int]:
    return {name: int(value) for name, value in _CONSTANT.findall((ROOT / SOURCE).read_text())}


def check_bound(where: str, what: str, found: int, name: str) -> None:
    """:raises InvalidDecision: beyond it; the chain would refuse without a reason."""
    if found > bounds()[name]:
        raise InvalidDecision(where, f"{found:,} {what}; the contracts take {bounds()[name]:,} ({name} in {SOURCE})")
