"""A proxy and the code behind it share slots 0 and 1; anything else would let the target overwrite its own address."""

import json
import subprocess

import pytest


@pytest.mark.parametrize("name", ["ManagerProxy", "RoundsManager", "BondingVotes", "ServiceRegistry"])
def test_layout__of_proxied_contract__starts_with_controller_and_target_id(project, name):
    command = ["vyper", "-p", str(project.path), "-f", "layout", f"contracts/{name}.vy"]
    output = subprocess.run(command, cwd=project.path, check=True, capture_output=True, text=True).stdout  # noqa: S603

    layout = json.loads(output)["storage_layout"]

    assert layout["manager"]["controller"] == {"type": "address", "n_slots": 1, "slot": 0}
    assert layout["manager"]["targetContractId"] == {"type": "bytes32", "n_slots": 1, "slot": 1}
