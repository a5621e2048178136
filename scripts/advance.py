"""`ape run advance --rounds N`: do not wait for the rounds and delays of a local chain.

    ape run advance --rounds 2 --network http://127.0.0.1:8545 --params demo --addresses .devnet/addresses.json
    ape run advance --seconds 30 --network http://127.0.0.1:8545 --params demo --addresses .devnet/addresses.json

On anvil only. Each round is begun and initialized, so that votes, stake and rewards find what they would have found had
somebody waited.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
from ape.cli import ConnectedProviderCommand

from scripts._deployment.command import is_development_chain, mine
from scripts._deployment.errors import StepFailed
from scripts._deployment.steps import ROUNDS
from scripts._environment import complete_path
from scripts._governance.desk import Desk, desk, moment, options

if TYPE_CHECKING:
    from ape.api import ProviderAPI

complete_path()

MOST_ROUNDS = 1_000
MOST_SECONDS = 10 * 365 * 86_400
INITIALIZE_GAS = 1_000_000
MINED_TIMEOUT_S = 30
POLL_S = 0.05


@click.command(cls=ConnectedProviderCommand)
@click.option("--rounds", type=click.IntRange(0, MOST_ROUNDS), default=0, help="So many rounds on.")
@click.option("--seconds", type=click.IntRange(0, MOST_SECONDS), default=0, help="So much later, such as a delay.")
@options
def cli(provider: ProviderAPI, rounds: int, seconds: int, **common: Any) -> None:
    """Let rounds and time pass on a local chain."""
    if not is_development_chain(provider):
        raise click.UsageError("on anvil only: elsewhere rounds and delays are waited for")
    if not rounds and not seconds:
        raise click.UsageError("say --rounds or --seconds")
    with desk(provider, "advance", **common) as at:
        if at.dry:
            click.echo(f"dry run: would go from round {at.round} to {at.round + rounds}, and {seconds} seconds on")
            return
        for _ in range(rounds):
            next_round(provider, at)
        if seconds:
            at.site.rpc("evm_increaseTime", seconds)
            mine(provider, 1)
        click.echo(f"now is round {at.round}, {moment(at.site.time)}")


def next_round(provider: ProviderAPI, at: Desk) -> None:
    """Begin and initialize the next round, unless a node that opens rounds is quicker."""
    site, wanted = at.site, at.round + 1
    start, length = (int(site.read(ROUNDS, getter)) for getter in ("currentRoundStartBlock", "roundLength"))
    mine(provider, max(0, start + length - int(site.read(ROUNDS, "blockNum"))))
    # A node may open the round in the same moment: then this one is refused, which is as good.
    transaction = site.call(ROUNDS, "initializeRound")
    request = {"from": at.sender.address, "to": str(transaction.receiver), "data": "0x" + bytes(transaction.data).hex()}
    sent = site.rpc("eth_sendTransaction", {**request, "gas": hex(INITIALIZE_GAS)})
    deadline = time.monotonic() + MINED_TIMEOUT_S
    while site.rpc("eth_getTransactionReceipt", sent) is None:
        if time.monotonic() > deadline:
            raise StepFailed(f"initialize round {wanted}", f"{sent} was not mined in {MINED_TIMEOUT_S} s")
        time.sleep(POLL_S)
    if int(site.read(ROUNDS, "lastInitializedRound")) < wanted:
        raise StepFailed(f"initialize round {wanted}", f"{sent} failed")
