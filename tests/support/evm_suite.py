"""The protocol in the EVM of this process: deployed and wired as `scripts._protocol` does it.

suite = deploy_suite()                       # paused, nothing initialised, OWNER owns the Controller
suite.start()                                # unpaused, first round initialised
suite.fund(ALICE, lpt=LPT, eth=ETH)          # LPT with the allowance for bonding
suite.bonding.call("bond", LPT, ALICE, sender=ALICE)
suite.next_round()
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_utils.crypto import keccak

from scripts._params import LOCAL, Params
from scripts._protocol import JOBS_MANAGER, MINTER_ROLE, PROXIED
from tests.support.artifacts import Artifact, suite_artifacts
from tests.support.evm import OWNER, Contract, Evm
from tests.support.evm_abi import Interface

NO_COMMIT = bytes(20)
_MAX = 2**256 - 1


def contract_id(name: str) -> bytes:
    """The key of a contract in the Controller's registry."""
    return bytes(keccak(text=name))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvmSuite:
    """Handles; proxied contracts are reached through their proxies."""

    evm: Evm
    owner: str
    params: Params
    controller: Contract
    minter: Contract
    token: Contract
    cache: Contract
    broker: Contract
    bonding: Contract
    votes: Contract
    rounds: Contract
    registry: Contract
    targets: dict[str, Contract]
    """The code behind each proxy, by the contract's name."""

    def contracts(self) -> dict[str, Contract]:
        """By the names of the registry, and the Controller."""
        return {
            "Controller": self.controller,
            "Minter": self.minter,
            "LivepeerToken": self.token,
            "L2LPTDataCache": self.cache,
            "TicketBroker": self.broker,
            "BondingManager": self.bonding,
            "BondingVotes": self.votes,
            "RoundsManager": self.rounds,
            "ServiceRegistry": self.registry,
        }

    def register(self, name: str, address: str) -> None:
        """Put an address into the registry; an account can so play a contract, such as `Verifier`."""
        self.controller.call("setContractInfo", contract_id(name), address, NO_COMMIT, sender=self.owner)

    def start(self) -> None:
        """Unpause, and go to the first round that can be initialised."""
        self.controller.call("unpause", sender=self.owner)
        self.next_round()

    def next_round(self, count: int = 1, *, initialize: bool = True) -> int:
        """Go to the first block of a later round; returns its number. Rounds in between stay uninitialised."""
        start, length = self.rounds.view("currentRoundStartBlock"), self.rounds.view("roundLength")
        self.evm.block = start + count * length
        if initialize:
            self.rounds.call("initializeRound", sender=self.owner)
        return int(self.rounds.view("currentRound"))

    def fund(self, account: str, *, lpt: int = 0, eth: int = 0) -> None:
        """Give LPT, which the BondingManager may take, and ether. LPT is minted by the owner, who gets and loses the
        right to it here."""
        if lpt:
            self.token.call("grantRole", MINTER_ROLE, self.owner, sender=self.owner)
            self.token.call("mint", account, lpt, sender=self.owner)
            self.token.call("renounceRole", MINTER_ROLE, self.owner, sender=self.owner)
            self.token.call("approve", self.bonding.address, _MAX, sender=account)
        if eth:
            self.evm.give(account, eth)


def deploy_suite(
    params: Params = LOCAL,
    *,
    evm: Evm | None = None,
    owner: str = OWNER,
    artifacts: dict[str, Artifact] | None = None,
) -> EvmSuite:
    """Everything deployed, registered and set; the Controller paused.

    :param artifacts: other code than the compiled sources, such as a mutant.
    """
    chain, compiled = evm or Evm(), artifacts or suite_artifacts()
    controller = chain.deploy(compiled["Controller"], sender=owner)

    def register(name: str, address: str) -> None:
        controller.call("setContractInfo", contract_id(name), address, NO_COMMIT, sender=owner)

    def deploy(name: str, *args: object) -> Contract:
        contract = chain.deploy(compiled[name], *args, sender=owner)
        register(name, contract.address)
        return contract

    rates = (params.inflation_ppb, params.inflation_change_ppb, params.target_bonding_rate_ppb)
    minter = deploy("Minter", controller.address, *rates)
    token = deploy("LivepeerToken")
    targets: dict[str, Contract] = {}
    proxies: dict[str, Contract] = {}
    for name in PROXIED:
        targets[name] = chain.deploy(compiled[name], controller.address, sender=owner)
        register(f"{name}Target", targets[name].address)
        proxy = chain.deploy(compiled["ManagerProxy"], controller.address, contract_id(f"{name}Target"), sender=owner)
        register(name, proxy.address)
        proxies[name] = chain.at(proxy.address, Interface.of(name, compiled[name].abi))
    register(JOBS_MANAGER, proxies["TicketBroker"].address)
    cache = deploy("L2LPTDataCache")

    bonding, rounds, broker = proxies["BondingManager"], proxies["RoundsManager"], proxies["TicketBroker"]
    bonding.call("setUnbondingPeriod", params.unbonding_period_rounds, sender=owner)
    bonding.call("setNumActiveTranscoders", params.num_active_transcoders, sender=owner)
    rounds.call("setRoundLength", params.round_length_blocks, sender=owner)
    rounds.call("setRoundLockAmount", params.round_lock_amount_ppm, sender=owner)
    broker.call("setUnlockPeriod", params.unlock_period_rounds, sender=owner)
    broker.call("setTicketValidityPeriod", params.ticket_validity_period_rounds, sender=owner)
    token.call("grantRole", MINTER_ROLE, minter.address, sender=owner)
    return EvmSuite(
        evm=chain,
        owner=owner,
        params=params,
        controller=controller,
        minter=minter,
        token=token,
        cache=cache,
        broker=broker,
        bonding=bonding,
        votes=proxies["BondingVotes"],
        rounds=rounds,
        registry=proxies["ServiceRegistry"],
        targets=targets,
    )
