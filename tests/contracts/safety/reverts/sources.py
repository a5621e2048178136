"""Every reason that the sources can give, read from their syntax trees."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from vyper import ast
from vyper.ast import parse_to_ast

ROOT = Path(__file__).resolve().parents[4]
CONTRACTS = ROOT / "contracts"


class Reason(NamedTuple):
    """A way to fail: the file's stem, and the text. Custom errors by their signature, reverts without data as ""."""

    source: str
    text: str


class Unclassified(AssertionError):
    """A literal of which nobody knows whether it is a reason."""


@cache
def reasons() -> frozenset[Reason]:
    """Of all contracts and modules, mocks aside. Assertions without a message count too.

    :raises Unclassified: a string in a place that this reader does not know.
    """
    files = [*sorted(CONTRACTS.glob("*.vy")), *sorted((CONTRACTS / "modules").glob("*.vy"))]
    return frozenset(reason for path in files for reason in _reasons_of(path))


def parse(name: str) -> ast.Module:
    """The syntax tree of a file in `contracts/`."""
    with warnings.catch_warnings():
        # The compiler's parser leaves the closing of its own files to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        return parse_to_ast((CONTRACTS / name).read_text())


def _reasons_of(path: Path) -> Iterator[Reason]:
    module = parse(path.relative_to(CONTRACTS).as_posix())
    for node in module.get_descendants(ast.Assert):
        if node.msg is None:
            yield Reason(path.stem, "")
    for literal in module.get_descendants((ast.Str, ast.Bytes)):
        text = _reason(literal)
        if text is not None:
            yield Reason(path.stem, text)


def _reason(literal: ast.VyperNode) -> str | None:
    """The reason that a literal is, None if it is something else."""
    parent = literal.get_ancestor()
    value = literal.value
    if not value:
        # A start value, or no data.
        return None
    if isinstance(parent, ast.Assert | ast.Raise):
        return str(value)
    if isinstance(parent, ast.Call):
        function = parent.func.id if isinstance(parent.func, ast.Name) else ""
        if function == "method_id":
            # Of a custom error, if it is what a revert carries; else of a call.
            call = parent.get_ancestor(ast.Call)
            while call is not None and getattr(call.func, "id", "") != "raw_revert":
                call = call.get_ancestor(ast.Call)
            return str(value) if call is not None and value != "Error(string)" else None
        if function in ("keccak256", "concat", "abi_encode"):
            # Hashes and parts of messages. A text put together is run under the name of what it is about.
            return None
    if isinstance(parent, ast.Return):
        function = parent.get_ancestor(ast.FunctionDef)
        # A fault's text; all other functions with strings answer with them.
        return str(value) if function.name == "_reason" else None
    if isinstance(parent, ast.VariableDecl | ast.keyword):
        # A constant, or an argument of an event.
        return None
    raise Unclassified(f"{value!r} in {type(parent).__name__} of {literal.module_node.path}:{literal.lineno}")
