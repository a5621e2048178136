"""Everything that the EVM of this process holds, for tests that two ways of doing a thing lead to the same state."""

from __future__ import annotations

import itertools
import re

from tests.support.evm import Evm

_SLOT = re.compile(r"(0x[0-9a-f]+): \w*StorageSlot \{[^}]*?present_value: (0x[0-9a-f]+)")
_BALANCE = re.compile(r"balance: (\d+),")


def whole_state(evm: Evm) -> dict[tuple[str, int | str], int]:
    """(address, slot) -> word, for every word that is not zero, and (address, "balance") -> wei."""
    found: dict[tuple[str, int | str], int] = {}
    heads = evm.engine.journal_str.split(": Account {")
    for head, body in itertools.pairwise(heads):
        address = head[-42:]
        balance = _BALANCE.search(body)
        assert balance is not None, body[:100]
        found[address, "balance"] = int(balance[1])
        # Code, which is long, comes before the storage.
        slots = body[body.index("storage: {") :]
        found.update({(address, int(slot, 16)): int(word, 16) for slot, word in _SLOT.findall(slots)})
    return {key: value for key, value in found.items() if value}
