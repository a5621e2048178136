"""Every way to refuse, run once: what comes back is compared byte for byte with the ABI encoding, through the proxy."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.contracts.safety.reverts import compact, control, governance, money, stake, tokens
from tests.contracts.safety.reverts.case import BARE, Case
from tests.contracts.safety.reverts.sources import reasons
from tests.support.artifacts import ROOT, SUITE
from tests.support.evm import Reverted
from tests.support.evm_abi import type_of
from tests.support.evm_world import make_world
from tests.support.governance import CONTRACTS
from tests.support.vectors import ABSENT

PUBLISHED = ROOT.parent / "shared" / "abi"
CASES = [case for table in (control, stake, money, tokens, compact, governance) for case in table.TABLE.cases]

# A floor under what the reader of the sources finds.
LEAST_REASONS = 150
# Not literals: the account and the role in it differ; a mock's own error, to show that it passes the proxy.
PUT_TOGETHER = ("AccessControl", "Refused(address)")
# Published errors that nothing can cause.
UNREACHABLE = {
    "LivepeerToken.InvalidShortString()": "belongs to a library for texts in storage; name and version are constants",
    "LivepeerToken.StringTooLong(string)": "belongs to a library for texts in storage; name and version are constants",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_revert__bytes__are_the_published_ones(case: Case) -> None:
    world = make_world()
    call = case.build(world)
    expected = case.expected(world)

    with pytest.raises(Reverted) as failure:
        call.make()

    assert failure.value.data == expected
    assert failure.value.halt is None


def test_table__every_reason_in_the_sources__is_run() -> None:
    """A text that several sources share must be run for each of them."""
    rows = {(case.source, case.name) for case in CASES}
    texts = {name for _, name in rows}
    shared = Counter(reason.text for reason in reasons())

    missing = [each for each in reasons() if each.text not in texts or (shared[each.text] > 1 and each not in rows)]

    assert sorted(missing) == []
    assert len(reasons()) >= LEAST_REASONS


def test_table__every_row__is_a_reason_in_the_sources() -> None:
    """Reverts without data, and texts that are put together, have no literal of their own."""
    texts = {reason.text for reason in reasons()} | {BARE, *PUT_TOGETHER}

    assert sorted({case.name for case in CASES} - texts) == []


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=ABSENT)
def test_table__published_errors__are_all_run() -> None:
    files = [PUBLISHED / f"{name}.json" for name in (*SUITE, *CONTRACTS)]
    published = {
        f"{path.stem}.{entry['name']}({','.join(map(type_of, entry['inputs']))})"
        for path in files
        if path.is_file()
        for entry in json.loads(path.read_text())
        if entry["type"] == "error"
    }

    assert published - UNREACHABLE.keys() <= {f"{case.source}.{case.name}" for case in CASES}
    assert published >= UNREACHABLE.keys()
