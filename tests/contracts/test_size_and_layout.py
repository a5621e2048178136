"""What a proxy and the chain demand of compiled code: size, and where the shared variables lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts._layouts import incompatibilities, layout_of, render, snapshot
from scripts._protocol import UPGRADABLE
from scripts.sizes import rows

# EIP-170.
MAX_RUNTIME_BYTES = 24_576


@pytest.fixture(scope="module")
def production(project: Any, fresh_build: None) -> dict[str, Any]:
    """Every compiled contract that is not a mock."""
    return {
        name: contract
        for name, contract in project.load_contracts().items()
        if "mocks/" not in (contract.source_id or "")
    }


def test_runtime_size__every_contract__fits(production: dict[str, Any]) -> None:
    sizes = {name: len(bytes(contract.get_runtime_bytecode())) for name, contract in production.items()}

    too_large = [
        f"{name}: {size:,} bytes of {MAX_RUNTIME_BYTES:,}, {size - MAX_RUNTIME_BYTES + 1:,} too many"
        for name, size in sizes.items()
        if size >= MAX_RUNTIME_BYTES
    ]
    assert too_large == [], "no chain takes it: move views into a contract beside it, as PoolHints, or share code"
    assert min(sizes.values()) > 0


def test_readme__table_of_sizes__is_what_the_compiler_makes(fresh_build: None) -> None:
    """After a wanted change: `make sizes`."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()

    moved = [row for row in rows() if f"| {row[0]} | {row[1]:,} | {row[2]} |" not in readme]
    assert moved == [], "write what `make sizes` prints to README.md if this is wanted"


@pytest.mark.parametrize("name", [*UPGRADABLE, "ManagerProxy"])
def test_storage_layout__proxied_contract__shares_the_first_two_slots(name: str) -> None:
    manager: Any = layout_of(name)["manager"]

    assert (manager["controller"]["slot"], manager["controller"]["type"]) == (0, "address")
    assert (manager["targetContractId"]["slot"], manager["targetContractId"]["type"]) == (1, "bytes32")


@pytest.mark.parametrize("name", UPGRADABLE)
def test_storage_layout__proxied_contract__equals_the_snapshot(name: str) -> None:
    """After a wanted change: `python -m scripts._layouts`."""
    problems = incompatibilities(json.loads(snapshot(name).read_text()), layout_of(name))
    assert problems == [], "an upgrade would read storage wrongly: put new variables behind the others"
    assert render(layout_of(name)) == snapshot(name).read_text(), "run `python -m scripts._layouts` if this is wanted"


@pytest.mark.parametrize("name", UPGRADABLE)
def test_storage_layout__proxied_contract__keeps_no_lock_in_storage(name: str) -> None:
    """A re-entrancy lock belongs into transient storage, or it would shift every slot."""
    assert "nonreentrant" not in json.dumps(layout_of(name))
