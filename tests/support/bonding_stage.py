"""A deployed protocol as the tests of stake, rewards and fees handle it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ape.api import AccountAPI, ReceiptAPI
from ape.contracts import ContractInstance

from scripts._protocol import Protocol, blocks_to_next_round, contract_id

LPT = 10**18
ONE = 10**27
PPM = 10**6
NEVER = 2**256 - 1
NOBODY = "0x0000000000000000000000000000000000000000"
WEALTH = 10**6 * LPT


class Delegator(NamedTuple):
    bonded_amount: int
    fees: int
    delegate_address: str
    delegated_amount: int
    start_round: int
    last_claim_round: int
    next_unbonding_lock_id: int


class Transcoder(NamedTuple):
    last_reward_round: int
    reward_cut: int
    fee_share: int
    last_active_stake_update_round: int
    activation_round: int
    deactivation_round: int
    active_cumulative_rewards: int
    cumulative_rewards: int
    cumulative_fees: int
    last_fee_round: int


class Pool(NamedTuple):
    total_stake: int
    reward_cut: int
    fee_share: int
    reward_factor: int
    fee_factor: int


@dataclass
class Stage:
    """The protocol and the few things that every test does with it."""

    protocol: Protocol
    owner: AccountAPI
    broker: AccountAPI
    chain: Any

    @property
    def bonding(self) -> ContractInstance:
        return self.protocol.bonding_manager

    @property
    def round(self) -> int:
        return int(self.protocol.rounds_manager.currentRound())

    def next_round(self, count: int = 1, *, initialize: bool = True) -> int:
        """Go to the start of a later round; rounds in between stay uninitialized."""
        length = self.protocol.params.round_length_blocks
        self.chain.mine(blocks_to_next_round(self.protocol, self.chain.blocks.height) + length * (count - 1))
        if initialize:
            self.protocol.rounds_manager.initializeRound(sender=self.owner)
        return self.round

    def bond(self, account: AccountAPI, amount: int, to: Any = None) -> ReceiptAPI:
        """Bond to another account, or to oneself."""
        return self.bonding.bond(amount, to or account, sender=account)

    def credit(self, transcoder: Any, fees: int) -> ReceiptAPI:
        """Credit a fee, and bring the ETH for it into the Minter."""
        self.protocol.minter.depositETH(value=fees, sender=self.broker)
        return self.bonding.updateTranscoderWithFees(transcoder, fees, 0, sender=self.broker)

    def delegator(self, account: Any) -> Delegator:
        return Delegator(*self.bonding.getDelegator(account))

    def transcoder(self, account: Any) -> Transcoder:
        return Transcoder(*self.bonding.getTranscoder(account))

    def pool(self, account: Any, round_: int) -> Pool:
        return Pool(*self.bonding.getTranscoderEarningsPoolForRound(account, round_))

    def members(self) -> list[str]:
        """The pool from its head to its tail."""
        found, member = [], self.bonding.getFirstTranscoderInPool()
        while member != NOBODY:
            found.append(member)
            member = self.bonding.getNextTranscoderInPool(member)
        return found

    def pending_fees(self, *accounts: Any) -> int:
        return sum(int(self.bonding.pendingFees(account, 0)) for account in accounts)

    def pending_stake(self, *accounts: Any) -> int:
        return sum(int(self.bonding.pendingStake(account, 0)) for account in accounts)

    def register(self, name: str, account: Any) -> None:
        """Let an account play a contract of the protocol."""
        address = getattr(account, "address", account)
        self.protocol.controller.setContractInfo(contract_id(name), address, bytes(20), sender=self.owner)


def arguments(receipt: ReceiptAPI, event: Any) -> list[dict[str, Any]]:
    """The arguments of every event of a kind in a receipt."""
    return [dict(log.event_arguments) for log in receipt.decode_logs(event)]


def names(receipt: ReceiptAPI) -> list[str]:
    """The names of all events in a receipt, in order."""
    return [log.event_name for log in receipt.events]
