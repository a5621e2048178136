"""`python -m scripts._layouts`: write the storage layout of every contract behind a proxy.

The files are committed. A change in one of them is a change of what the next upgrade finds in storage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vyper.compiler.input_bundle import FilesystemInputBundle
from vyper.compiler.phases import CompilerData
from vyper.semantics.types import HashMapT, StructT
from vyper.semantics.types.subscriptable import _SequenceT

from scripts._environment import ROOT
from scripts._protocol import UPGRADABLE

FOLDER = Path("tests") / "contracts" / "layouts"

Layout = Mapping[str, Any]


def layout_of(name: str, root: Path = ROOT) -> dict[str, Any]:
    """Variable -> slot, number of slots, type and the members of its structs; modules as nested objects."""
    bundle = FilesystemInputBundle([root])
    compiled = CompilerData(bundle.load_file(Path("contracts") / f"{name}.vy"), bundle)
    layout: dict[str, Any] = compiled.storage_layout["storage_layout"]
    _add_structs(layout, compiled.annotated_vyper_module._metadata["type"])  # noqa: SLF001
    return layout


def _add_structs(layout: dict[str, Any], module: Any) -> None:
    """The compiler names structs only; what is in one decides what a slot means."""
    for name, entry in layout.items():
        if "slot" not in entry:
            _add_structs(entry, module.imported_modules[name].module_t)
        elif structs := dict(_structs(module.variables[name].typ)):
            entry["structs"] = structs


def _structs(kind: Any) -> Iterator[tuple[str, list[str]]]:
    if isinstance(kind, StructT):
        yield kind.name, [f"{name}: {member}" for name, member in kind.member_types.items()]
        for member in kind.member_types.values():
            yield from _structs(member)
    elif isinstance(kind, (HashMapT, _SequenceT)):
        yield from _structs(kind.value_type)


def render(layout: Layout) -> str:
    return json.dumps(layout, indent=1) + "\n"


def snapshot(name: str) -> Path:
    return ROOT / FOLDER / f"{name}.json"


# --- comparison -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Variable:
    """Where a variable lies and what is in it."""

    slot: int
    n_slots: int
    kind: str
    structs: Mapping[str, list[str]]

    @property
    def slots(self) -> range:
        return range(self.slot, self.slot + self.n_slots)


def variables(layout: Layout, prefix: str = "") -> dict[str, Variable]:
    """By name, with that of the module before it."""
    found: dict[str, Variable] = {}
    for name, entry in layout.items():
        if "slot" in entry:
            found[prefix + name] = Variable(entry["slot"], entry["n_slots"], entry["type"], entry.get("structs", {}))
        else:
            found |= variables(entry, f"{prefix}{name}.")
    return found


def incompatibilities(old: Layout, new: Layout) -> list[str]:
    """Why code with the layout `new` must not run on storage written with the layout `old`; empty if it may.

    Variables may be added behind the others. What the bits of a packed word mean is not seen here.
    """
    before, after = variables(old), variables(new)
    problems = []
    for name, variable in before.items():
        other = after.get(name)
        if other is None:
            problems.append(f"{name} (slot {variable.slot}) is gone")
        elif other.slot != variable.slot:
            problems.append(f"{name} moves from slot {variable.slot} to {other.slot}")
        elif other.kind != variable.kind or other.n_slots != variable.n_slots:
            problems.append(f"{name} (slot {variable.slot}) turns from {variable.kind} into {other.kind}")
        else:
            problems += [
                f"{name} (slot {variable.slot}): the members of {struct} differ"
                for struct, members in variable.structs.items()
                if other.structs.get(struct) != members
            ]
    used = {slot: name for name, variable in before.items() for slot in variable.slots}
    for name in after.keys() - before.keys():
        taken = sorted({used[slot] for slot in after[name].slots if slot in used})
        problems += [f"{name}, which is new, takes the place of {other}" for other in taken]
    return problems


if __name__ == "__main__":
    for contract in UPGRADABLE:
        snapshot(contract).write_text(render(layout_of(contract)))
