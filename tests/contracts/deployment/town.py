"""A governed network with stake in it, on which the commands of governance are run as Ape calls them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from scripts._deployment.governance import TREASURY
from scripts._params import LOCAL
from tests.contracts.deployment.deployer import Deployer

LPT = 10**18
QUICK = replace(LOCAL, voting_period_rounds=1, treasury_min_delay_s=60)
STAKE = 200 * LPT
ENDOWMENT = 50 * LPT


def begin_round(deployer: Deployer) -> None:
    rounds = deployer.site.at("RoundsManager")
    deployer.chain.mine(rounds.currentRoundStartBlock() + QUICK.round_length_blocks - rounds.blockNum())
    rounds.initializeRound(sender=deployer.account)


class Town:
    """A network that is governed, with one transcoder whose stake counts and LPT in the treasury."""

    def __init__(self, deployer: Deployer, chain: Any, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.deployer, self.chain, self.folder, self.capsys = deployer, chain, folder, capsys

    def read(self, name: str, getter: str, *arguments: Any) -> Any:
        return self.deployer.site.read(name, getter, *arguments)

    def address(self, name: str) -> str:
        return self.deployer.site.addresses[name]

    def next_round(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            begin_round(self.deployer)

    def decision(self, *calls: dict[str, Any], **more: Any) -> Path:
        path = self.folder / "decision.json"
        path.write_text(json.dumps({"description": "try it", "calls": calls, **more}))
        return path

    def run(self, command: Any, *, dry: bool = False, alias: str | None = None, **arguments: Any) -> str:
        """What it prints."""
        self.capsys.readouterr()
        command.cli.callback(
            provider=self.deployer.account.provider,
            named="local",
            given=self.deployer.path,
            addresses=None,
            alias=alias,
            dry=dry,
            yes=True,
            **arguments,
        )
        return self.capsys.readouterr().out

    def refusal(self, command: Any, **arguments: Any) -> str:
        """What it says when it does not send anything."""
        nonce = self.sender.nonce
        with pytest.raises(click.ClickException) as refused:
            self.run(command, **arguments)
        assert self.sender.nonce == nonce
        return refused.value.format_message()

    @property
    def sender(self) -> Any:
        return self.deployer.account


def populate(deployer: Deployer) -> None:
    """The deployer becomes a transcoder, and the treasury gets something to spend."""
    site, account = deployer.site, deployer.account
    site.at("LivepeerToken").transfer(site.addresses[TREASURY], ENDOWMENT, sender=account)
    begin_round(deployer)
    site.at("LivepeerToken").approve(site.addresses["BondingManager"], STAKE, sender=account)
    site.at("BondingManager").bond(STAKE, account, sender=account)
    for _ in range(2):
        begin_round(deployer)
