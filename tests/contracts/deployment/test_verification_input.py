"""What an explorer is given is enough to get the code on chain, without this checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode

from scripts._deployment.site import NULL_ADDRESS
from scripts._deployment.standard_json import compiled_again, standard_json, standard_jsons, submissions, write
from scripts._deployment.steps import Create
from scripts._params import LOCAL
from scripts._protocol import everything
from tests.contracts.deployment.deployer import Deployer

CREATIONS = [step for step in everything(LOCAL, NULL_ADDRESS) if isinstance(step, Create)]
INITIALISED = ("Treasury", "LivepeerGovernor")


CONTRACTS = sorted({step.contract for step in CREATIONS})


@pytest.fixture(scope="module")
def published(fresh_build: None) -> dict[str, Any]:
    return standard_jsons(CONTRACTS)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_standard_json__compiled_again_elsewhere__is_the_same_code(
    project: Any, tmp_path: Path, published: dict[str, Any], contract: str
) -> None:
    built = project.get_contract(contract).contract_type
    content = published[contract]

    again = compiled_again(content, tmp_path)
    assert again["creation"] == built.deployment_bytecode.bytecode
    assert again["runtime"] == built.runtime_bytecode.bytecode
    assert content["compiler_version"].startswith("v0.4.3")


def test_write__deployed_protocol__creation_code_and_arguments_are_what_was_sent(
    governed: Deployer, tmp_path: Path
) -> None:
    """The creation transaction of every contract: code from the standard JSON, then the arguments."""
    write(tmp_path / "out", submissions(governed.site, CREATIONS))
    lines = {line["name"]: line for line in json.loads((tmp_path / "out" / "contracts.json").read_text())}
    records = json.loads(governed.path.read_text())["steps"]

    assert lines.keys() == {step.name for step in CREATIONS}
    for name, line in lines.items():
        content = json.loads((tmp_path / "out" / line["standard_json"]).read_text())
        (target,) = content["settings"]["outputSelection"]
        code = governed.site.type_of(line["contract"].split(":")[1]).deployment_bytecode.bytecode
        sent = governed.site.rpc("eth_getTransactionByHash", records[f"create {name}"]["transaction"])["input"]
        assert target == line["contract"].split(":")[0]
        if name in INITIALISED:
            # The Creator got the code as its first argument.
            sent = "0x" + decode(["bytes", "bytes", "uint256"], bytes.fromhex(sent[10:]))[0].hex()
        assert sent == code + line["constructor_arguments"]
        assert records[f"create {name}"]["address"] == line["address"]


def test_standard_json__one_source_changed__gives_other_code(tmp_path: Path) -> None:
    """The comparison above can fail."""
    content = standard_json("ServiceRegistry")
    before = compiled_again(content, tmp_path)
    (target,) = content["settings"]["outputSelection"]
    source = content["sources"][target]
    source["content"] = source["content"].replace("constant(uint256) = 1024", "constant(uint256) = 1025")
    del content["integrity"], source["sha256sum"]

    assert compiled_again(content, tmp_path) != before
