"""The proxy's bound lies above the longest answer that any code behind a proxy can give: both asked of the compiler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from vyper.codegen.core import calculate_type_for_external_return
from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.phases import CompilerData

from scripts._protocol import PROXIED

ROOT = Path(__file__).resolve().parents[4]
WORD = 32
# All code that stands behind proxies; the governor's proxy is deployed apart from the others.
TARGETS = (*PROXIED, "LivepeerGovernor")


def module_of(name: str) -> Any:
    """The compiler's view of a contract."""
    sources = FilesystemInputBundle([ROOT])
    data = CompilerData(sources.load_file(ROOT / "contracts" / f"{name}.vy"), sources)
    return data.annotated_vyper_module._metadata["type"]


def answer_sizes(name: str) -> dict[str, int]:
    """Function -> bytes of its longest ABI-encoded answer."""
    return {
        function.name: calculate_type_for_external_return(function.return_type).abi_type.size_bound()
        for function in module_of(name).exposed_functions
        if function.return_type is not None
    }


def bound() -> int:
    """What the proxy allows for, its own name for it."""
    constants = {
        node.target.id: node.value for node in module_of("ManagerProxy").decl_node.get_children() if is_constant(node)
    }
    return int(constants["ANSWER_BOUND"].value)


def is_constant(node: Any) -> bool:
    return bool(getattr(node, "is_constant", False))


@pytest.fixture(scope="module")
def sizes() -> dict[str, int]:
    return {f"{name}.{function}": size for name in TARGETS for function, size in answer_sizes(name).items()}


def test_answer_bound__longest_answer_of_any_target__lies_below(sizes: dict[str, int]) -> None:
    assert max(sizes.values()) < bound()


def test_answer_bound__longest_answer_of_any_target__is_a_word_below_at_most(sizes: dict[str, int]) -> None:
    """Every call through the proxy pays for the whole bound."""
    assert bound() - max(sizes.values()) <= WORD


def test_answer_sizes__service_uri__is_text_with_offset_and_length(sizes: dict[str, int]) -> None:
    assert sizes["ServiceRegistry.getServiceURI"] == 2 * WORD + 1024
