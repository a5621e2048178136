"""What a block explorer compiles again to see that published sources give the code on chain."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from scripts._deployment.site import Site
from scripts._deployment.steps import Create
from scripts._environment import ROOT

COMPILER = Path(sys.executable).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One contract at one address."""

    name: str
    contract: str
    address: str
    # ABI-encoded, hex without 0x: explorers ask for it in this form.
    arguments: str

    def line(self) -> dict[str, str]:
        return {
            "name": self.name,
            "address": self.address,
            "contract": f"contracts/{self.contract}.vy:{self.contract}",
            "standard_json": f"{self.contract}.json",
            "constructor_arguments": self.arguments,
        }


def standard_json(contract: str, root: Path = ROOT) -> dict[str, Any]:
    """The compiler's input with every source that it reads, settings and a digest of them all."""
    return standard_jsons([contract], root)[contract]


def standard_jsons(contracts: Sequence[str], root: Path = ROOT) -> dict[str, dict[str, Any]]:
    """Of several contracts, by one run of the compiler."""
    printed = subprocess.run(
        [str(COMPILER / "vyper"), "-p", ".", "-f", "solc_json", *(f"contracts/{name}.vy" for name in contracts)],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    found = {}
    for line in printed.stdout.splitlines():
        content: dict[str, Any] = json.loads(line)
        (target,) = content["settings"]["outputSelection"]
        found[Path(target).stem] = content
    return found


def compiled_again(content: dict[str, Any], folder: Path) -> dict[str, str]:
    """Creation and runtime code of the one contract in it, from nothing but the standard JSON.

    :param folder: an empty one, so that no other source can be read.
    """
    (target,) = content["settings"]["outputSelection"]
    wanted = {
        **content["settings"],
        "outputSelection": {target: ["evm.bytecode.object", "evm.deployedBytecode.object"]},
    }
    run = subprocess.run(
        [str(COMPILER / "vyper-json")],
        input=json.dumps({**content, "settings": wanted}),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    (compiled,) = json.loads(run.stdout)["contracts"][target].values()
    return {
        "creation": compiled["evm"]["bytecode"]["object"],
        "runtime": compiled["evm"]["deployedBytecode"]["object"],
    }


def submissions(site: Site, creations: Iterable[Create]) -> list[Submission]:
    """Of every contract whose address the site knows."""
    found = []
    for create in creations:
        constructor = site.type_of(create.contract).constructor
        types = [argument.canonical_type for argument in constructor.inputs] if constructor else []
        found.append(
            Submission(
                name=create.name,
                contract=create.contract,
                address=site.addresses[create.name],
                arguments=encode(types, create.resolved(site)).hex(),
            )
        )
    return found


def write(folder: Path, found: Iterable[Submission]) -> None:
    """One standard JSON for each source, and `contracts.json` with what else an explorer asks for."""
    found = list(found)
    folder.mkdir(parents=True, exist_ok=True)
    for contract, content in standard_jsons(sorted({submission.contract for submission in found})).items():
        (folder / f"{contract}.json").write_text(json.dumps(content))
    lines = [submission.line() for submission in found]
    (folder / "contracts.json").write_text(json.dumps(lines, indent=1) + "\n")
