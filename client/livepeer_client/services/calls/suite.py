"""The other contracts a user calls, and all of them together."""

from livepeer_client.policy import outcomes
from livepeer_client.ports import StakeHints, Transactor
from livepeer_client.services.calls.bonding import Bonding
from livepeer_client.services.calls.broker import Broker
from livepeer_client.services.calls.governance import Council, Polls
from livepeer_client.services.calls.result import Result, make
from livepeer_client.types import Address


class Rounds:
    """The RoundsManager (onchain 6). Methods raise as `result.make`."""

    def __init__(self, transactor: Transactor) -> None:
        self._transactor = transactor

    async def initialize_round(self, *, dry_run: bool = False) -> Result[outcomes.RoundInitialized]:
        """Open the current round. Anybody may; `services.rounds` does it without racing others."""
        return await make(
            self._transactor, "RoundsManager", "initializeRound", [], outcomes.round_initialized, dry_run=dry_run
        )


class Registry:
    """The ServiceRegistry (onchain 5). Methods raise as `result.make`."""

    def __init__(self, transactor: Transactor) -> None:
        self._transactor = transactor

    async def set_service_uri(self, uri: str, *, dry_run: bool = False) -> Result[outcomes.ServiceUriSet]:
        """Publish where this key's orchestrator is reached."""
        return await make(
            self._transactor, "ServiceRegistry", "setServiceURI", [uri], outcomes.service_uri_set, dry_run=dry_run
        )


class Token:
    """LPT (onchain 8). Amounts in LPT wei. Methods raise as `result.make`."""

    def __init__(self, transactor: Transactor) -> None:
        self._transactor = transactor

    async def approve(self, spender: Address, amount: int, *, dry_run: bool = False) -> Result[outcomes.Approved]:
        """Let `spender`, such as the BondingManager, take up to `amount`."""
        return await make(
            self._transactor, "LivepeerToken", "approve", [spender, amount], outcomes.approved, dry_run=dry_run
        )

    async def transfer(self, to: Address, amount: int, *, dry_run: bool = False) -> Result[outcomes.TokensMoved]:
        return await make(
            self._transactor, "LivepeerToken", "transfer", [to, amount], outcomes.tokens_moved, dry_run=dry_run
        )


class Contracts:
    """The user entry points of all contracts, by one key.

    :param hints: whom changes of stake ask for their new places in the pool, such as the `Suite`; without, the contract
        walks there.
    """

    def __init__(self, transactor: Transactor, hints: StakeHints | None = None) -> None:
        self.broker = Broker(transactor)
        self.bonding = Bonding(transactor, hints)
        self.rounds = Rounds(transactor)
        self.registry = Registry(transactor)
        self.token = Token(transactor)
        self.council = Council(transactor)
        self.polls = Polls(transactor)
