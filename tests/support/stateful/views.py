"""Every view of every contract: with which arguments it is asked, and which of them a change in the model concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import TYPE_CHECKING, Any

from tests.support.model.controller import contract_id
from tests.support.model.token import ADMIN_ROLE, BURNER_ROLE, MINTER_ROLE
from tests.support.stateful.operations import ACTORS, EVERYONE

if TYPE_CHECKING:
    from tests.support.stateful.world import World

Call = tuple[str, str, tuple[Any, ...]]
"""Contract, function, arguments."""

# Same answer always, compared by other tests; or not of this contract's own.
CONSTANT = {
    "ManagerProxy": {"controller", "targetContractId"},
    "*": {"controller", "targetContractId"},
    "LivepeerToken": {
        "name",
        "symbol",
        "decimals",
        "DOMAIN_SEPARATOR",
        "eip712Domain",
        "getRoleAdmin",
        "DEFAULT_ADMIN_ROLE",
    }
    | {"supportsInterface"},
    "BondingVotes": {"name", "symbol", "decimals", "CLOCK_MODE"},
}
NAMES_IN_REGISTRY = ("Minter", "Treasury", "Verifier", "L2Migrator", "JobsManager", "BondingManager", "Nothing")
_TOTALS = ("currentRoundTotalActiveStake", "nextRoundTotalActiveStake", "currentRoundActiveTranscoders")
_CLOCK = (
    "roundLength",
    "roundLockAmount",
    "lastInitializedRound",
    "lastRoundLengthUpdateRound",
    "lastRoundLengthUpdateStartBlock",
)
_SETTINGS = ("unbondingPeriod", "treasuryRewardCutRate", "nextRoundTreasuryRewardCutRate", "treasuryBalanceCeiling")
_INFLATION = ("inflation", "inflationChange", "targetBondingRate", "currentMintableTokens", "currentMintedTokens")


def _accounts(_: World) -> Iterable[tuple[Any, ...]]:
    return ((account,) for account in EVERYONE)


def _pairs(_: World) -> Iterable[tuple[Any, ...]]:
    return product(ACTORS, ACTORS)


def _accounts_any_round(_: World) -> Iterable[tuple[Any, ...]]:
    return ((account, 0) for account in EVERYONE)


def _accounts_and_rounds(world: World) -> Iterable[tuple[Any, ...]]:
    return product(EVERYONE, world.rounds_of_interest())


def _accounts_and_past(world: World) -> Iterable[tuple[Any, ...]]:
    return product(EVERYONE, (round_ - 1 for round_ in world.rounds_of_interest()))


def _rounds(world: World) -> Iterable[tuple[Any, ...]]:
    return ((round_,) for round_ in world.rounds_of_interest())


def _past(world: World) -> Iterable[tuple[Any, ...]]:
    return ((round_ - 1,) for round_ in world.rounds_of_interest())


def _locks(world: World) -> Iterable[tuple[Any, ...]]:
    for account in EVERYONE:
        for lock_id in range(world.model.bonding.delegators[account].next_lock_id + 1):
            yield account, lock_id


def _tokens_allowed(world: World) -> Iterable[tuple[Any, ...]]:
    return product(ACTORS, (*ACTORS, world.suite.bonding.address))


def _roles(world: World) -> Iterable[tuple[Any, ...]]:
    return product((ADMIN_ROLE, MINTER_ROLE, BURNER_ROLE), (*EVERYONE, *world.model.minters))


def _ids(_: World) -> Iterable[tuple[Any, ...]]:
    return ((contract_id(name),) for name in NAMES_IN_REGISTRY)


def _blocks(world: World) -> Iterable[tuple[Any, ...]]:
    block = world.suite.evm.block
    return ((number,) for number in (block, block - 1, block - 256, block - 257, block + 1))


def _hashes(world: World) -> Iterable[tuple[Any, ...]]:
    return ((each,) for each in world.ticket_hashes)


def _sample_ticket(world: World) -> Iterable[tuple[Any, ...]]:
    return ((each,) for each in world.last_tickets)


ARGUMENTS: dict[str, Callable[[World], Iterable[tuple[Any, ...]]]] = {
    # BondingManager
    "getDelegator": _accounts,
    "getTranscoder": _accounts,
    "pendingStake": _accounts_any_round,
    "pendingFees": _accounts_any_round,
    "delegatorStatus": _accounts,
    "transcoderStatus": _accounts,
    "transcoderTotalStake": _accounts,
    "isRegisteredTranscoder": _accounts,
    "isActiveTranscoder": _accounts,
    "getNextTranscoderInPool": _accounts,
    "transcoderToRewardCaller": _accounts,
    "getTranscoderEarningsPoolForRound": _accounts_and_rounds,
    "getDelegatorUnbondingLock": _locks,
    "isValidUnbondingLock": _locks,
    # BondingVotes
    "getVotes": _accounts,
    "delegates": _accounts,
    "hasCheckpoint": _accounts,
    "getPastVotes": _accounts_and_past,
    "delegatedAt": _accounts_and_past,
    "getVotesAndDelegateAtRoundStart": _accounts_and_rounds,
    "getPastTotalSupply": _past,
    "getTotalActiveStakeAt": _rounds,
    "delegate": lambda _: ((account,) for account in ACTORS[:1]),
    "delegateBySig": lambda _: ((account, 0, 0, 27, bytes(32), bytes(32)) for account in ACTORS[:1]),
    # TicketBroker
    "getSenderInfo": _accounts,
    "getReserveInfo": _accounts,
    "isUnlockInProgress": _accounts,
    "claimableReserve": _pairs,
    "claimedReserve": _pairs,
    "usedTickets": _hashes,
    "getTicketHash": _sample_ticket,
    # RoundsManager
    "blockHash": _blocks,
    "blockHashForRound": _rounds,
    "lipUpgradeRound": lambda _: ((lip,) for lip in range(3)),
    # LivepeerToken
    "balanceOf": lambda world: ((account,) for account in (*EVERYONE, *world.model.minters)),
    "allowance": _tokens_allowed,
    "nonces": _accounts,
    "hasRole": _roles,
    # Controller, ServiceRegistry
    "getContract": _ids,
    "getContractInfo": _ids,
    "getServiceURI": _accounts,
}


def all_views(world: World) -> Iterable[Call]:
    """Every view with every argument of interest, as the compiled interfaces list them."""
    for name, contract in world.contracts().items():
        kind = contract.interface.name
        for function in contract.interface.own_functions():
            if function.mutability not in ("view", "pure"):
                continue
            if function.name in CONSTANT["*"] | CONSTANT.get(kind, set()):
                continue
            arguments = ARGUMENTS[function.name](world) if function.inputs.kinds else [()]
            for args in arguments:
                yield name, function.name, args


def touched_views(world: World, touched: Iterable[tuple[str, Any]]) -> set[Call]:
    """What a change in the model shows in the contracts, other than through time."""
    found: set[Call] = set()
    for table, key in touched:
        found.update(_of_table(world, table, key))
    return found


def _of_table(world: World, table: str, key: Any) -> Iterable[Call]:
    if table in _BY_ACCOUNT:
        contract, functions = _BY_ACCOUNT[table]
        return [(contract, function, (key,)) for function in functions]
    if table in _PLAIN:
        contract, functions = _PLAIN[table]
        return [(contract, function, ()) for function in functions]
    if table in _BY_KEY:
        contract, function = _BY_KEY[table]
        return [(contract, function, key)]
    if table.startswith("inflation "):
        return [(table.removeprefix("inflation "), function, ()) for function in _INFLATION]
    if table == "members":
        bonding = [
            ("BondingManager", "getNextTranscoderInPool", (member,)) for member in world.model.bonding.pool.members
        ]
        plain = ("getFirstTranscoderInPool", "getTranscoderPoolSize", "getTranscoderPoolMaxSize")
        return [*bonding, *(("BondingManager", function, ()) for function in plain)]
    if table == "claimed":
        return [("TicketBroker", "getReserveInfo", (key[0],))]
    if table == "claimed_by":
        holder, _, claimant = key
        return [("TicketBroker", name, (holder, claimant)) for name in ("claimedReserve", "claimableReserve")]
    assert table == "ether", table
    return []


_BY_ACCOUNT: dict[str, tuple[str, tuple[str, ...]]] = {
    "delegators": ("BondingManager", ("getDelegator", "delegatorStatus")),
    "delegated": ("BondingManager", ("getDelegator",)),
    "transcoders": ("BondingManager", ("getTranscoder", "isActiveTranscoder")),
    "commissions": ("BondingManager", ("getTranscoder",)),
    "reward_callers": ("BondingManager", ("transcoderToRewardCaller",)),
    "records": ("BondingVotes", ("getVotes", "delegates", "hasCheckpoint")),
    "senders": ("TicketBroker", ("getSenderInfo",)),
    "used": ("TicketBroker", ("usedTickets",)),
    "balances": ("LivepeerToken", ("balanceOf",)),
    "nonces": ("LivepeerToken", ("nonces",)),
    "hashes": ("RoundsManager", ("blockHashForRound",)),
    "lips": ("RoundsManager", ("lipUpgradeRound",)),
    "entries": ("Controller", ("getContractInfo",)),
    "uris": ("ServiceRegistry", ("getServiceURI",)),
}
_BY_KEY: dict[str, tuple[str, str]] = {
    "pools": ("BondingManager", "getTranscoderEarningsPoolForRound"),
    "locks": ("BondingManager", "getDelegatorUnbondingLock"),
    "allowances": ("LivepeerToken", "allowance"),
    "roles": ("LivepeerToken", "hasRole"),
}
_PLAIN: dict[str, tuple[str, tuple[str, ...]]] = {
    "current_total": ("BondingManager", _TOTALS),
    "next_total": ("BondingManager", _TOTALS),
    "settings": ("BondingManager", _SETTINGS),
    "max_size": ("BondingManager", ("getTranscoderPoolMaxSize",)),
    "vote_totals": ("BondingVotes", ("totalSupply",)),
    "periods": ("TicketBroker", ("unlockPeriod", "ticketValidityPeriod")),
    "clock": ("RoundsManager", (*_CLOCK, "roundState")),
    "supply": ("LivepeerToken", ("totalSupply",)),
    "owner": ("Controller", ("owner",)),
    "paused": ("Controller", ("paused",)),
}
