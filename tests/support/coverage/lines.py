"""From instructions that ran to lines of source, by the compiler's own maps."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.artifacts import CACHE, ROOT, compile_all, sources_digest

_METADATA = 64
Node = Mapping[str, Any]
Line = tuple[str, int]
"""Path and line number."""


@dataclass(frozen=True, slots=True)
class Statement:
    """The lines of one statement; of a compound one, those of its head."""

    path: str
    first: int
    last: int
    function: str

    def lines(self) -> Iterator[Line]:
        return ((self.path, number) for number in range(self.first, self.last + 1))


@dataclass(slots=True)
class FileReport:
    """What ran of one file."""

    path: str
    statements: int = 0
    missed: list[Statement] = field(default_factory=list)
    unmeasured: int = 0
    """Statements for which the compiler writes no instructions of their own, as where an initial value is zero."""

    @property
    def percent(self) -> float:
        return 100.0 if not self.statements else 100 * (self.statements - len(self.missed)) / self.statements


def contract_names() -> list[str]:
    """All contracts, without mocks."""
    return sorted(path.stem for path in (ROOT / "contracts").glob("*.vy"))


def report(seen: Mapping[bytes, set[int]]) -> list[FileReport]:
    """File by file.

    :param seen: offsets of instructions that ran, by the code that they belong to.
    """
    artifacts = compile_all(contract_names())
    compiled = {name: _compiled_alone(name) for name in artifacts}
    known: set[Line] = set()
    ran: set[Line] = set()
    created: set[str] = set()
    for name, artifact in artifacts.items():
        source_map, trees = compiled[name]
        paths = {module["source_id"]: module["path"] for module in trees}
        places = dict(_places(source_map, paths))
        known.update(places.values())
        for code, offsets in seen.items():
            if code.startswith(artifact.bytecode):
                created.update(paths.values())
            if _is_runtime(code, artifact.runtime):
                ran.update(places[offset] for offset in offsets if offset in places)
    every = [module for _, trees in compiled.values() for module in trees]
    modules = {module["path"]: module for module in every if not module["is_interface"]}
    return [_of_file(path, modules[path], known, ran, path in created) for path in sorted(modules)]


def _is_runtime(code: bytes, runtime: bytes) -> bool:
    """On chain, immutables follow the compiler's runtime code, and its metadata are left out."""
    length = min(len(code), len(runtime))
    return length + _METADATA >= len(runtime) and code[:length] == runtime[:length]


def _places(source_map: Mapping[str, Any], paths: Mapping[int, str]) -> Iterator[tuple[int, Line]]:
    positions, nodes = source_map["pc_pos_map"], source_map["pc_ast_map"]
    for offset, (source, _) in nodes.items():
        if offset in positions and source in paths:
            yield int(offset), (paths[source], positions[offset][0])


def _of_file(path: str, module: Node, known: set[Line], ran: set[Line], was_created: bool) -> FileReport:
    found = FileReport(path)
    for function in module["body"]:
        if function["ast_type"] != "FunctionDef":
            continue
        decorators = {decorator.get("id") for decorator in function["decorator_list"]}
        statements = list(_statements(path, function["name"], function["body"]))
        if "deploy" in decorators:
            found.statements += len(statements)
            found.missed += [] if was_created else statements
            continue
        # A function without any instruction is not in any contract: nothing of it ever runs.
        is_dead = not any(line in known for each in statements for line in each.lines())
        for each in statements:
            if not is_dead and not any(line in known for line in each.lines()):
                found.unmeasured += 1
                continue
            found.statements += 1
            if not any(line in ran for line in each.lines()):
                found.missed.append(each)
    return found


def _statements(path: str, function: str, body: list[Node]) -> Iterator[Statement]:
    for node in body:
        if node["ast_type"] in ("DocStr", "Pass"):
            continue
        last = node["end_lineno"]
        if node["ast_type"] == "If":
            last = node["test"]["end_lineno"]
        elif node["ast_type"] == "For":
            last = node["iter"]["end_lineno"]
        yield Statement(path, node["lineno"], last, function)
        for inner in ("body", "orelse"):
            if isinstance(node.get(inner), list):
                yield from _statements(path, function, node[inner])


def _compiled_alone(name: str) -> tuple[Mapping[str, Any], list[Node]]:
    """Map of instructions, and syntax trees of a contract and of what it imports. From one run of the compiler for this
    contract only: it numbers sources run by run."""
    kept = CACHE / f"tree-{name}-{sources_digest()}.json"
    if not kept.is_file():
        compiler = str(Path(sys.executable).parent / "vyper")
        command = [compiler, "-p", str(ROOT), "-f", "source_map_runtime,annotated_ast", f"contracts/{name}.vy"]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        kept.write_text(run.stdout)
    source_map, tree = (json.loads(line) for line in kept.read_text().splitlines()[:2])
    found: list[Node] = [tree["ast"], *tree["imports"]]
    return source_map, found
