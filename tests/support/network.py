"""A protocol with people in it: what contract tests need on top of `scripts._protocol`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scripts._params import LOCAL, Params
from scripts._protocol import Protocol, blocks_to_next_round, deploy, mint_tokens, start
from tests.support.tickets import Signed, make_signed

LPT = 10**18
ETH = 10**18
REWARD_CUT_PPM = 100_000
FEE_SHARE_PPM = 400_000
NULL_ADDRESS = "0x0000000000000000000000000000000000000000"


def logs_of(receipt: Any, contract: Any) -> list[tuple[str, dict[str, Any]]]:
    """(event, arguments) of one contract's logs in emission order; addresses and numbers as Python values."""
    topics = {event.name: event for event in contract.contract_type.events}
    return [
        (log.event_name, dict(log.event_arguments))
        for log in sorted(receipt.decode_logs(list(topics.values())), key=lambda log: log.log_index)
        if log.contract_address == contract.address
    ]


@dataclass(slots=True, kw_only=True)
class Network:
    """A running protocol with named roles. Rounds move only through `next_round`."""

    protocol: Protocol
    chain: Any
    deployer: Any
    broadcaster: Any
    transcoder: Any
    second_transcoder: Any
    delegator: Any
    stranger: Any
    late_transcoder: Any
    nonces: list[int] = field(default_factory=lambda: [0])

    @property
    def broker(self) -> Any:
        return self.protocol.ticket_broker

    @property
    def bonding(self) -> Any:
        return self.protocol.bonding_manager

    @property
    def rounds(self) -> Any:
        return self.protocol.rounds_manager

    @property
    def minter(self) -> Any:
        return self.protocol.minter

    @property
    def round(self) -> int:
        return int(self.rounds.currentRound())

    def next_round(self, *, initialize: bool = True) -> int:
        """Mine to the first block of the next round."""
        self.chain.mine(blocks_to_next_round(self.protocol, self.chain.blocks.head.number))
        if initialize:
            self.rounds.initializeRound(sender=self.stranger)
        return self.round

    def bond(self, account: Any, amount: int, to: Any) -> Any:
        self.protocol.livepeer_token.approve(self.bonding.address, amount, sender=account)
        return self.bonding.bond(amount, to, sender=account)

    def become_transcoder(self, account: Any, stake: int) -> None:
        self.bond(account, stake, account)
        self.bonding.transcoder(REWARD_CUT_PPM, FEE_SHARE_PPM, sender=account)

    def fund(self, deposit: int, reserve: int, account: Any = None) -> Any:
        return self.broker.fundDepositAndReserve(
            deposit, reserve, value=deposit + reserve, sender=account or self.broadcaster
        )

    def ticket(self, **changes: Any) -> Signed:
        """A winning ticket of the current round from the broadcaster to the transcoder, never the same one twice."""
        self.nonces[0] += 1
        signer = changes.pop("signer", self.broadcaster)
        creation_round = changes.pop("creation_round", self.round)
        values: dict[str, Any] = {
            "sender": str(self.broadcaster.address),
            "recipient": str(self.transcoder.address),
            "creation_round": creation_round,
            "block_hash": bytes(self.rounds.blockHashForRound(creation_round)),
            "nonce": self.nonces[0],
        }
        return make_signed(key=bytes.fromhex(signer.private_key.removeprefix("0x")), **{**values, **changes})

    def deposit_of(self, account: Any) -> int:
        return int(self.broker.getSenderInfo(account)[0].deposit)

    def reserve_of(self, account: Any) -> int:
        return int(self.broker.getSenderInfo(account)[1].fundsRemaining)

    def is_used(self, signed: Signed) -> bool:
        return bool(self.broker.usedTickets(signed.ticket.hash()))


def build_network(project: Any, accounts: Any, chain: Any, params: Params = LOCAL) -> Network:
    """Two active transcoders of 1000 LPT each, one with a delegator of 500 LPT; nobody has funded anything yet."""
    deployer, broadcaster, transcoder, second, delegator, stranger, late = accounts[:7]
    protocol = deploy(project, deployer, params)
    mint_tokens(
        protocol, deployer, {str(account.address): 10_000 * LPT for account in (transcoder, second, delegator, late)}
    )
    start(protocol, deployer, chain.mine)
    network = Network(
        protocol=protocol,
        chain=chain,
        deployer=deployer,
        broadcaster=broadcaster,
        transcoder=transcoder,
        second_transcoder=second,
        delegator=delegator,
        stranger=stranger,
        late_transcoder=late,
    )
    # From a round's first block on there is time to register before the round is locked.
    network.next_round()
    network.become_transcoder(transcoder, 1000 * LPT)
    network.become_transcoder(second, 1000 * LPT)
    network.bond(delegator, 500 * LPT, transcoder)
    # Far enough for a ticket of the first round to have expired.
    for _ in range(params.ticket_validity_period_rounds):
        network.next_round()
    return network
