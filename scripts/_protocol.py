"""The one place that knows what the protocol is made of, in which order it is deployed and how its parts find each
other (spec 16): as a list of steps, which the deployment makes and the verification checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from scripts._deployment.checks import Expectation, Fact
from scripts._deployment.governance import (
    CREATOR,
    CUT_SCALE,
    FAUCET,
    GOVERNOR,
    TREASURY,
    VOTING,
    ConfigureTreasuryCut,
    ExecuteOwner,
    StageOwner,
    governor_proxy,
    treasury,
)
from scripts._deployment.governance_checks import Governance
from scripts._deployment.journal import Header, Journal
from scripts._deployment.run import Run
from scripts._deployment.site import NO_COMMIT, Sender, Site
from scripts._deployment.steps import (
    CONTROLLER,
    LPT,
    PROXY,
    ROLES,
    ROUNDS,
    At,
    Configure,
    Create,
    FirstRound,
    GrantRole,
    Mint,
    Register,
    RenounceRole,
    Step,
    TransferOwnership,
    Unpause,
    contract_id,
)
from scripts._params import Params, Profile

if TYPE_CHECKING:
    from ape.api import AccountAPI
    from ape.contracts import ContractInstance
    from ape.managers.project import ProjectManager

__all__ = ["JOBS_MANAGER", "MINTER_ROLE", "NO_COMMIT", "PROXIED", "UPGRADABLE", "Protocol", "contract_id", "deploy"]

MINTER_ROLE = ROLES["MINTER_ROLE"]
# Contracts that stand behind a ManagerProxy: their address is the proxy's, their type the target's.
PROXIED = ("TicketBroker", "BondingManager", "BondingVotes", "RoundsManager", "ServiceRegistry")
# The same with governance, which is deployed on top.
UPGRADABLE = (*PROXIED, VOTING)
LPT_WEI = 10**18
# Two epochs of Ethereum, after which a block is final; rollups replace fewer.
REORG_BLOCKS = 64
# Id under which the Minter knows the TicketBroker.
JOBS_MANAGER = "JobsManager"


# --- the plan -------------------------------------------------------------------------------------


def construction(params: Params) -> list[Step]:
    """Deploy and wire the core. The deployer owns the Controller and the protocol is left paused."""
    return [
        Create(name=CONTROLLER, contract=CONTROLLER),
        *_registered(
            "Minter",
            At(CONTROLLER),
            params.inflation_ppb,
            params.inflation_change_ppb,
            params.target_bonding_rate_ppb,
        ),
        *_registered(LPT),
        *(step for name in PROXIED for step in _proxied(name)),
        Register(name=JOBS_MANAGER, entry="TicketBroker"),
        *_registered("L2LPTDataCache"),
        *_registered("PoolHints", At(CONTROLLER)),
        Configure(
            contract="BondingManager",
            setter="setUnbondingPeriod",
            getter="unbondingPeriod",
            value=params.unbonding_period_rounds,
        ),
        Configure(
            contract="BondingManager",
            setter="setNumActiveTranscoders",
            getter="getTranscoderPoolMaxSize",
            value=params.num_active_transcoders,
        ),
        Configure(contract=ROUNDS, setter="setRoundLength", getter="roundLength", value=params.round_length_blocks),
        Configure(
            contract=ROUNDS, setter="setRoundLockAmount", getter="roundLockAmount", value=params.round_lock_amount_ppm
        ),
        Configure(
            contract="TicketBroker", setter="setUnlockPeriod", getter="unlockPeriod", value=params.unlock_period_rounds
        ),
        Configure(
            contract="TicketBroker",
            setter="setTicketValidityPeriod",
            getter="ticketValidityPeriod",
            value=params.ticket_validity_period_rounds,
        ),
        GrantRole(role="MINTER_ROLE", holder="Minter"),
    ]


def governance(params: Params, deployer: str) -> list[Step]:
    """What decides about the core, and what belongs to it, on top of `construction`.

    :param deployer: who sends the transactions; where treasury and governor will be depends on it.
    """
    governor = governor_proxy(
        deployer,
        PROXY,
        (At(CONTROLLER), contract_id(f"{VOTING}Target")),
        {
            "votingDelay": params.voting_delay_rounds,
            "votingPeriod": params.voting_period_rounds,
            "proposalThreshold": params.proposal_threshold_lpt * LPT_WEI,
            "quorumNumerator": params.quorum_ppm,
            "quota": params.quota_ppm,
        },
    )
    return [
        *_registered("MerkleSnapshot", At(CONTROLLER)),
        Create(name=GOVERNOR, contract=GOVERNOR),
        Create(name=CREATOR, contract=CREATOR),
        treasury(deployer, params.treasury_min_delay_s, governor),
        Register(name=TREASURY),
        *target(VOTING),
        governor,
        Register(name=VOTING),
        Configure(
            contract="BondingManager",
            setter="setTreasuryBalanceCeiling",
            getter="treasuryBalanceCeiling",
            value=params.treasury_balance_ceiling_lpt * LPT_WEI,
        ),
        ConfigureTreasuryCut(
            contract="BondingManager",
            setter="setTreasuryRewardCutRate",
            getter="nextRoundTreasuryRewardCutRate",
            value=params.treasury_reward_cut_ppb * CUT_SCALE,
            ceiling=params.treasury_balance_ceiling_lpt * LPT_WEI,
        ),
        Create(name="PollCreator", contract="PollCreator", arguments=(At("BondingManager"),)),
        *(
            _registered(FAUCET, At(LPT), params.faucet_request_lpt * LPT_WEI, params.faucet_wait_hours)
            if params.has_faucet
            else []
        ),
    ]


def everything(params: Params, deployer: str) -> list[Step]:
    """All that a network has: what is deployed on it, upgraded, published and verified."""
    return [*construction(params), *governance(params, deployer)]


def endowment(params: Params) -> dict[str, int]:
    """LPT (1e-18) that contracts begin with."""
    return {FAUCET: params.faucet_supply_lpt * LPT_WEI} if params.has_faucet else {}


def genesis(deployer: str, amounts: Mapping[str, int], journal: Journal) -> list[Step]:
    """Give LPT (1e-18) to accounts, as the genesis of a network of one's own. The deployer holds the right to mint only
    while there is something to mint."""
    mints = [Mint(account=account, amount=amount) for account, amount in amounts.items()]
    lent = GrantRole(role="MINTER_ROLE", holder=deployer, lasting_grant=False)
    given_back = RenounceRole(role="MINTER_ROLE", holder=deployer, lasting_loss=False)
    if all(journal.is_done(mint.key) for mint in mints):
        return [*mints, given_back]
    return [lent, *mints, given_back]


def opening() -> list[Step]:
    """Let the protocol run."""
    return [Unpause(), FirstRound()]


def hand_over(deployer: str, owner: str) -> list[Step]:
    """Leave the deployer without any right on the core. The owner is a contract's name or an address."""
    return [
        GrantRole(role="DEFAULT_ADMIN_ROLE", holder=owner),
        TransferOwnership(owner=owner),
        RenounceRole(role="DEFAULT_ADMIN_ROLE", holder=deployer),
    ]


def hand_over_to_governance(params: Params, deployer: str, owner: str | None) -> list[Step]:
    """The Governor owns the protocol.

    :param owner: who stages the Governor's updates and keeps the faucet's list; None: the deployer.
    """
    passed_on: list[Step] = []
    if owner is not None and owner != deployer:
        passed_on = [StageOwner(owner=owner), ExecuteOwner(owner=owner)]
        if params.has_faucet:
            passed_on.append(TransferOwnership(owner=owner, contract=FAUCET))
    return [*hand_over(deployer, GOVERNOR), *passed_on]


def _registered(name: str, *arguments: object) -> list[Step]:
    return [Create(name=name, contract=name, arguments=arguments), Register(name=name)]


def _proxied(name: str) -> list[Step]:
    return [
        *target(name),
        Create(name=name, contract=PROXY, arguments=(At(CONTROLLER), contract_id(f"{name}Target")), interface=name),
        Register(name=name),
    ]


def target(name: str) -> list[Step]:
    """The code behind a proxy: what an upgrade makes anew."""
    return [
        Create(name=f"{name}Target", contract=name, arguments=(At(CONTROLLER),)),
        Register(name=f"{name}Target"),
    ]


def expectation(
    params: Params,
    *,
    profile: Profile,
    deployer: str,
    owner: str | None,
    paused: bool,
    block: int,
    governed: bool = True,
) -> Expectation:
    """What the verification should find after the steps above.

    :param owner: of the Governor, or of the core itself where there is no governance; None: the deployer.
    :param governed: False for the core alone.
    """
    owner = owner or deployer
    facts = [
        Fact(contract="Minter", getter="inflationChange", expected=params.inflation_change_ppb),
        Fact(contract="Minter", getter="targetBondingRate", expected=params.target_bonding_rate_ppb),
    ]
    if not governed:
        # Without a treasury nothing is cut.
        facts += [
            Fact(contract="BondingManager", getter="treasuryRewardCutRate", expected=0),
            Fact(contract="BondingManager", getter="nextRoundTreasuryRewardCutRate", expected=0),
            Fact(contract="BondingManager", getter="treasuryBalanceCeiling", expected=0),
        ]
    return Expectation(
        profile=profile,
        steps=everything(params, deployer) if governed else construction(params),
        facts=facts,
        owner=GOVERNOR if governed else owner,
        governance=Governance(owner=owner, has_faucet=params.has_faucet) if governed else None,
        paused=paused,
        block=block,
        inflation_ppb=params.inflation_ppb,
        inflation_change_ppb=params.inflation_change_ppb,
    )


# --- handles --------------------------------------------------------------------------------------


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


def handles(site: Site, params: Params, block: int) -> Protocol:
    """Of a protocol whose addresses the site knows."""
    return Protocol(
        controller=site.at(CONTROLLER),
        minter=site.at("Minter"),
        livepeer_token=site.at(LPT),
        ticket_broker=site.at("TicketBroker"),
        bonding_manager=site.at("BondingManager"),
        bonding_votes=site.at("BondingVotes"),
        rounds_manager=site.at(ROUNDS),
        service_registry=site.at("ServiceRegistry"),
        l2_lpt_data_cache=site.at("L2LPTDataCache"),
        params=params,
        block=block,
    )


# --- in one go, on a chain that is there for it ---------------------------------------------------


def header_of(site: Site, deployer: str, params: Params, *, network: str = "local", owner: str | None = None) -> Header:
    """What a deployment that begins now begins with.

    Its block is one that stays, where others make the chain: the latest may be replaced while we look, and by it the
    chain would never be known again.
    """
    block = site.height if site.mines_on_demand else max(0, site.height - REORG_BLOCKS)
    return Header(
        network=network,
        chain_id=site.provider.chain_id,
        genesis=site.block_hash(0),
        block=block,
        block_hash=site.block_hash(block),
        deployer=deployer,
        owner=owner,
        commit=site.commit.hex(),
        params=params.as_dict(),
    )


def deploy(project: ProjectManager, deployer: AccountAPI, params: Params, *, commit: bytes = NO_COMMIT) -> Protocol:
    """Deploy and wire everything; the deployer owns the Controller and the protocol is left paused.

    :param commit: 20-byte git hash that the registry remembers for each entry.
    """
    site = Site(project, deployer.provider, commit=commit)
    journal = Journal.begin(header_of(site, str(deployer.address), params))
    Run(site=site, sender=Sender(deployer, site), journal=journal).run(construction(params))
    return handles(site, params, journal.header.block)


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
        mine(blocks_to_next_round(protocol, int(rounds.blockNum())))
    if not rounds.currentRoundInitialized():
        rounds.initializeRound(sender=deployer)
    return int(rounds.currentRound())
