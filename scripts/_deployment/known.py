"""What is known of a deployment without asking the chain: from its journal, or from a file of addresses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from scripts._deployment.errors import DeploymentError
from scripts._deployment.journal import Journal
from scripts._deployment.site import Site
from scripts._deployment.steps import CONTROLLER
from scripts._params import Network, Params


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    addresses: dict[str, str]
    block: int
    params: Params
    # Of the Governor. None: whoever has it; then only its kind can be judged.
    owner: str | None
    # Empty where that is not known.
    deployer: str
    running: bool | None


def from_journal(path: Path, site: Site) -> Known:
    """:raises DeploymentError: if the journal is not of this chain."""
    journal = Journal.resume(path)
    journal.close()
    journal.check_chain(site)
    header = journal.header
    return Known(
        addresses=journal.created(),
        block=header.block,
        params=Params.from_dict(header.params),
        owner=header.owner or header.deployer,
        deployer=header.deployer,
        running=journal.is_done("unpause"),
    )


def from_addresses(path: Path, network: Network) -> Known:
    """:raises DeploymentError: if the file is not one that `ape run deploy` writes."""
    try:
        content = json.loads(path.read_text())
        addresses = {CONTROLLER: content["controller"], **content["contracts"]}
        block = int(content["block"])
        return Known(addresses=addresses, block=block, params=network.params, owner=None, deployer="", running=None)
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise DeploymentError(f"{path} is not a file of addresses") from error
