"""The one place that knows in which order the protocol is deployed and how its parts find each other (spec 16)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from eth_utils.crypto import keccak

from scripts._params import Params

if TYPE_CHECKING:
    from ape.api import AccountAPI
    from ape.contracts import ContractInstance
    from ape.managers.project import ProjectManager

MINTER_ROLE = keccak(text="MINTER_ROLE")
# Contracts that stand behind a ManagerProxy: their address is the proxy's, their type the target's.
PROXIED = ("TicketBroker", "BondingManager", "BondingVotes", "RoundsManager", "ServiceRegistry")
# Id under which the Minter knows the TicketBroker.
JOBS_MANAGER = "JobsManager"
NO_COMMIT = bytes(20)


def contract_id(name: str) -> bytes:
    """The key of a contract in the Controller's registry."""
    return keccak(text=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Handles to a deployed protocol; proxied contracts are reached through their proxies."""

    controller: ContractInstance
    minter: ContractInstance
    livepeer_token: ContractInstance
    ticket_broker: ContractInstance
    bonding_manager: ContractInstance
    bonding_votes: ContractInstance
    rounds_manager: ContractInstance
    service_registry: ContractInstance
    l2_lpt_data_cache: ContractInstance
    params: Params
    # Block of the first deployment: nothing of this protocol happened before.
    block: int

    def addresses(self) -> dict[str, str]:
        """Name -> address, under the names of the registry."""
        handles = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            handle.contract_type.name: str(handle.address)
            for name, handle in handles.items()
            if name not in ("params", "block")
        }


def deploy(project: ProjectManager, deployer: AccountAPI, params: Params, *, commit: bytes = NO_COMMIT) -> Protocol:
    """Deploy and wire everything; the deployer owns the Controller and the protocol is left paused.

    :param commit: 20-byte git hash that the registry remembers for each entry.
    """
    start_block = deployer.provider.get_block("latest").number or 0
    controller = deployer.deploy(project.Controller)

    def register(name: str, address: str) -> None:
        controller.setContractInfo(contract_id(name), address, commit, sender=deployer)

    def deploy_registered(name: str, *arguments: Any) -> ContractInstance:
        instance = deployer.deploy(project.get_contract(name), *arguments)
        register(name, instance.address)
        return instance

    def deploy_proxied(name: str) -> ContractInstance:
        target_name = f"{name}Target"
        target = deployer.deploy(project.get_contract(name), controller.address)
        register(target_name, target.address)
        proxy = deployer.deploy(project.ManagerProxy, controller.address, contract_id(target_name))
        register(name, proxy.address)
        # The type recorded for the address is the proxy's; from here on it answers as its target.
        return proxy.chain_manager.contracts.instance_at(
            proxy.address,
            contract_type=target.contract_type,
            fetch_from_explorer=False,
            fetch_from_disk=False,
            detect_proxy=False,
            replace=True,
        )

    minter = deploy_registered(
        "Minter",
        controller.address,
        params.inflation_ppb,
        params.inflation_change_ppb,
        params.target_bonding_rate_ppb,
    )
    token = deploy_registered("LivepeerToken")
    proxied = {name: deploy_proxied(name) for name in PROXIED}
    register(JOBS_MANAGER, proxied["TicketBroker"].address)
    data_cache = deploy_registered("L2LPTDataCache")

    bonding, rounds, broker = proxied["BondingManager"], proxied["RoundsManager"], proxied["TicketBroker"]
    bonding.setUnbondingPeriod(params.unbonding_period_rounds, sender=deployer)
    bonding.setNumActiveTranscoders(params.num_active_transcoders, sender=deployer)
    rounds.setRoundLength(params.round_length_blocks, sender=deployer)
    rounds.setRoundLockAmount(params.round_lock_amount_ppm, sender=deployer)
    broker.setUnlockPeriod(params.unlock_period_rounds, sender=deployer)
    broker.setTicketValidityPeriod(params.ticket_validity_period_rounds, sender=deployer)
    token.grantRole(MINTER_ROLE, minter.address, sender=deployer)

    return Protocol(
        controller=controller,
        minter=minter,
        livepeer_token=token,
        ticket_broker=broker,
        bonding_manager=bonding,
        bonding_votes=proxied["BondingVotes"],
        rounds_manager=rounds,
        service_registry=proxied["ServiceRegistry"],
        l2_lpt_data_cache=data_cache,
        params=params,
        block=start_block,
    )


def mint_tokens(protocol: Protocol, deployer: AccountAPI, amounts: dict[str, int]) -> None:
    """Give LPT (1e-18) to accounts, as the genesis of a network of one's own. The deployer holds the right to mint only
    for the duration of the call."""
    token = protocol.livepeer_token
    token.grantRole(MINTER_ROLE, deployer.address, sender=deployer)
    for account, amount in amounts.items():
        token.mint(account, amount, sender=deployer)
    token.renounceRole(MINTER_ROLE, deployer.address, sender=deployer)


def blocks_to_next_round(protocol: Protocol, height: int) -> int:
    """How many blocks after `height` the next round begins."""
    rounds = protocol.rounds_manager
    return int(rounds.currentRoundStartBlock()) + int(rounds.roundLength()) - height


def start(protocol: Protocol, deployer: AccountAPI, mine: Callable[[int], None]) -> int:
    """Unpause and initialise the first round.

    :param mine: makes the chain that many blocks longer; called only while the chain is younger than one round,
        because round 0 can never be initialised.
    :return: the round.
    """
    rounds = protocol.rounds_manager
    if protocol.controller.paused():
        protocol.controller.unpause(sender=deployer)
    if rounds.currentRound() == 0:
        mine(blocks_to_next_round(protocol, deployer.provider.get_block("latest").number or 0))
    if not rounds.currentRoundInitialized():
        rounds.initializeRound(sender=deployer)
    return int(rounds.currentRound())
