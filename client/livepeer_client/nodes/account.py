"""One key's way to the contracts, for a command: opened, used once, closed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from livepeer_client.adapters.chain.failover import FailoverRpc
from livepeer_client.adapters.chain.governance import GovernanceReader
from livepeer_client.adapters.chain.json_values import quantity, to_hex
from livepeer_client.adapters.chain.retrying import RetryingRpc, RetryPolicy
from livepeer_client.adapters.chain.rpc import JsonRpc
from livepeer_client.adapters.chain.sequence import simulate_sequence
from livepeer_client.adapters.chain.suite import load_addresses
from livepeer_client.codec.amounts import format_units
from livepeer_client.config import AccountConfig, ChainConfig
from livepeer_client.errors import InvalidInput
from livepeer_client.facts import RoundState, SenderInfo, UnbondingLock
from livepeer_client.nodes.keys import make_transactor, open_signer
from livepeer_client.policy.outcomes import Approved, Bonded, bonded
from livepeer_client.services.calls import Contracts
from livepeer_client.services.calls.result import Result
from livepeer_client.types import Address, BlockNumber, Round, Wei


@asynccontextmanager
async def open_reader(config: ChainConfig) -> AsyncIterator[GovernanceReader]:
    """Reads of everything, over the nodes of `config`."""
    addresses = load_addresses(config.addresses)
    nodes = [JsonRpc(url) for url in config.rpc_urls]
    async with FailoverRpc(nodes, chain_id=addresses.chain_id) as rpc:
        yield GovernanceReader(RetryingRpc(rpc, RetryPolicy(attempts=4)), addresses)


@dataclass(frozen=True, slots=True)
class Account:
    """A key and what it may call. Nonces are the RPC node's: of two that send at once, one signs again."""

    address: Address
    reader: GovernanceReader
    contracts: Contracts

    async def bond(
        self, amount: int, to: Address, *, dry_run: bool
    ) -> tuple[Result[Bonded] | None, dict[str, Result[Approved]]]:
        """Bond, having let the BondingManager take exactly that much first if it may not yet.

        :returns: the bond, None where a node cannot try it after the approval; and that approval, if one is needed.
        :raises InvalidInput: the key has less LPT than that.
        """
        bonding = await self.reader.address("BondingManager")
        (held,), (allowed,) = await self.reader.read(
            [
                ("LivepeerToken", "balanceOf", [self.address]),
                ("LivepeerToken", "allowance", [self.address, bonding]),
            ]
        )
        if held < amount:
            raise InvalidInput(
                f"the key holds {format_units(held)} LPT, not {format_units(amount)}: get LPT, or bond less"
            )
        if allowed >= amount:
            return await self.contracts.bonding.bond(amount, to, dry_run=dry_run), {}
        approved = await self.contracts.token.approve(bonding, amount, dry_run=dry_run)
        if not dry_run:
            return await self.contracts.bonding.bond(amount, to), {"approve": approved}
        steps = await simulate_sequence(
            self.reader,
            self.address,
            [("LivepeerToken", "approve", [bonding, amount]), ("BondingManager", "bond", [amount, to])],
        )
        if steps is None:
            return None, {"approve": approved}
        gas, price = steps[1].gas, approved.cost // approved.gas
        return Result(bonded(steps[1].logs), gas, Wei(gas * price), None), {"approve": approved}


@asynccontextmanager
async def open_account(config: AccountConfig) -> AsyncIterator[Account]:
    """:raises ConfigError: key or address file.

    :raises TransportError: a signer is not reached.
    """
    async with open_signer(config.key) as signer, open_reader(config.chain) as reader:
        transactor = make_transactor(reader, signer, config.chain)
        yield Account(signer.address, reader, Contracts(transactor, reader))


@dataclass(frozen=True, slots=True)
class Standing:
    """All that the contracts know of one address. ETH and LPT in wei; shares in ppm.

    :ivar block: of the head, by the chain's own height; `l1_block` is the number the contracts see.
    :ivar delegate: zero for nobody.
    """

    address: Address
    block: BlockNumber
    l1_block: BlockNumber
    round: RoundState
    eth: Wei
    lpt: int
    sender: SenderInfo
    stake: int
    fees: Wei
    delegate: Address
    registered: bool
    active: bool
    last_reward_round: Round
    reward_cut: int
    fee_share: int
    total_stake: int
    service_uri: str
    locks: dict[int, UnbondingLock]


async def read_standing(reader: GovernanceReader, address: Address) -> Standing:
    """Everything of one block. Raises as `Suite`."""
    head = await reader.head()
    suite = reader.at(head.block_hash)
    round_, sender, state = (
        await suite.round_state(),
        await suite.sender_info(address),
        await suite.orchestrator_state(address),
    )
    (lpt,), delegator, transcoder, (total,), (uri,) = await suite.read(
        [
            ("LivepeerToken", "balanceOf", [address]),
            ("BondingManager", "getDelegator", [address]),
            ("BondingManager", "getTranscoder", [address]),
            ("BondingManager", "transcoderTotalStake", [address]),
            ("ServiceRegistry", "getServiceURI", [address]),
        ]
    )
    eth = quantity(await reader.rpc.call("eth_getBalance", [to_hex(address), hex(head.number)]))
    return Standing(
        address=address,
        block=head.number,
        l1_block=head.l1_block,
        round=round_,
        eth=Wei(eth),
        lpt=lpt,
        sender=sender,
        stake=state.stake,
        fees=state.pending_fees,
        delegate=Address(delegator[2]),
        registered=state.registered,
        active=state.active,
        last_reward_round=state.last_reward_round,
        reward_cut=transcoder[1],
        fee_share=transcoder[2],
        total_stake=total,
        service_uri=uri,
        locks=await suite.unbonding_locks(address),
    )


def figures_behind(reason: str, now: Standing) -> str:
    """What a contract has compared when it refused for that reason, empty where there is nothing to compare."""
    unlock, current = now.sender.withdraw_round, now.round.current
    locks = ", ".join(f"{number} from round {lock.withdraw_round} on" for number, lock in now.locks.items()) or "none"
    return {
        "amount is greater than bonded amount": f"bonded are {format_units(now.stake)} LPT",
        "insufficient fees to withdraw": f"the fees are {format_units(now.fees)} ETH",
        "withdraw round must be before or equal to the current round": f"it is round {current}, open locks: {locks}",
        "invalid unbonding lock ID": f"open locks: {locks}",
        "account is locked": f"it is round {current}, " + (f"unlocked from {unlock} on" if unlock else "no unlock"),
        "current round is not initialized": f"it is round {current}, the last open one is {now.round.last_initialized}",
        "sender deposit and reserve are zero": f"deposit {now.sender.deposit} wei, reserve {now.sender.reserve} wei",
    }.get(reason, "")
