"""Winners on paper, and a broker that redeems them: for tests of redemption without a chain."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from coincurve import PrivateKey

from livepeer_client.adapters.fakes import FakeCall, FakeChain
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.signature import public_key_to_address, sign_personal
from livepeer_client.codec.ticket import Ticket, WinningTicket, recipient_rand_hash
from livepeer_client.facts import (
    Head,
    Log,
    OrchestratorState,
    ReceivedPayment,
    RoundState,
    SenderInfo,
    StoredTicket,
    TicketState,
)
from livepeer_client.policy.redemption import RedemptionFacts
from livepeer_client.types import MAX_WIN_PROB, Address, BlockNumber, Hash32, Round, Wei

SENDER_KEY = PrivateKey(b"\x21" * 32)
SENDER = public_key_to_address(SENDER_KEY.public_key)
OTHER_SENDER = Address(b"\x31" * 20)
RECIPIENT = Address(b"\x41" * 20)
OTHER_RECIPIENT = Address(b"\x42" * 20)
ROUND = Round(100)
ROUND_LENGTH = 50
START = BlockNumber(ROUND * ROUND_LENGTH)
BLOCK_HASH = Hash32(b"\x51" * 32)
FACE_VALUE = Wei(10**16)
GAS_PRICE = Wei(10**9)
ACTIVE = OrchestratorState(active=True, registered=True, last_reward_round=ROUND, stake=1, pending_fees=Wei(0))


def make_winner(
    nonce: int = 1,
    *,
    face_value: int = FACE_VALUE,
    sender: Address = SENDER,
    recipient: Address = RECIPIENT,
    creation_round: int = ROUND,
    block_hash: Hash32 = BLOCK_HASH,
    params_expiration_block: int = START,
) -> WinningTicket:
    rand = 7
    ticket = Ticket(
        recipient=recipient,
        sender=sender,
        face_value=Wei(face_value),
        win_prob=MAX_WIN_PROB,
        sender_nonce=nonce,
        recipient_rand_hash=recipient_rand_hash(rand),
        creation_round=Round(creation_round),
        creation_round_block_hash=block_hash,
    )
    return WinningTicket(ticket, sign_personal(SENDER_KEY, ticket.hash), rand, BlockNumber(params_expiration_block))


def make_stored(nonce: int = 1, **changes: Any) -> StoredTicket:
    winner = make_winner(nonce, **changes)
    return StoredTicket(winner, winner.ticket.hash, TicketState.HELD, Wei(0), None, "")


def payment_of(*winners: WinningTicket) -> ReceivedPayment:
    return ReceivedPayment(SENDER, "session", len(winners), Fraction(1), winners)


def make_info(deposit: int = 10**18, *, withdraw_round: int = 0) -> SenderInfo:
    return SenderInfo(Wei(deposit), Round(withdraw_round), Wei(0), Wei(0))


def make_round(current: int = ROUND, *, initialized: bool = True) -> RoundState:
    return RoundState(
        current=Round(current),
        last_initialized=Round(current if initialized else current - 1),
        last_initialized_block_hash=BLOCK_HASH,
        start_block=BlockNumber(current * ROUND_LENGTH),
        length_blocks=ROUND_LENGTH,
        locked=False,
    )


def make_facts(
    *,
    block: int = START + 10,
    round_state: RoundState | None = None,
    deposit: int = 10**18,
    claimable: int = 0,
    withdraw_round: int = 0,
    gas_price: int = GAS_PRICE,
    **changes: Any,
) -> RedemptionFacts:
    """Facts in which a ticket of `make_stored` can be redeemed."""
    info = make_info(deposit, withdraw_round=withdraw_round)
    facts = RedemptionFacts(
        head=Head(
            BlockNumber(block),
            keccak256(b"%d" % block),
            1_700_000_000,
            Wei(gas_price),
            BlockNumber(block),
            base_fee=Wei(gas_price),
        ),
        round=round_state or make_round(block // ROUND_LENGTH),
        validity_rounds=2,
        senders={SENDER: info, OTHER_SENDER: info},
        recipients={RECIPIENT: ACTIVE, OTHER_RECIPIENT: ACTIVE},
        claimable={
            (sender, recipient): Wei(claimable)
            for sender in (SENDER, OTHER_SENDER)
            for recipient in (RECIPIENT, OTHER_RECIPIENT)
        },
    )
    return replace(facts, **changes)


def transfer_log(amount: int, sender: Address = SENDER, recipient: Address = RECIPIENT) -> Log:
    return _log("WinningTicketTransfer", sender=sender, recipient=recipient, amount=amount)


def redeemed_log(winner: WinningTicket) -> Log:
    ticket = winner.ticket
    return _log(
        "WinningTicketRedeemed",
        sender=ticket.sender,
        recipient=ticket.recipient,
        faceValue=ticket.face_value,
        winProb=ticket.win_prob,
        senderNonce=ticket.sender_nonce,
        recipientRand=winner.recipient_rand,
        auxData=ticket.creation_round.to_bytes(32, "big") + ticket.creation_round_block_hash,
    )


def _log(name: str, **args: object) -> Log:
    return Log("TicketBroker", name, args, BlockNumber(0), Hash32(bytes(32)), 0)


class Broker:
    """What the contract does with a redemption on a `FakeChain`: the effect of a `FakeTransactor`.

    A ticket that is used, expired or not covered by the deposit is left out of a batch. `partial` makes it pay what
    there is, as the first deployment did.
    """

    def __init__(self, chain: FakeChain, *, partial: bool = False) -> None:
        self.chain = chain
        self.partial = partial

    def __call__(self, call: FakeCall) -> Sequence[Log]:
        if call.function == "redeemWinningTicket":
            return self._redeem(call.args[0], call.args[2])
        assert call.function == "batchRedeemWinningTickets"
        tickets, sigs, rands = (list(argument) for argument in call.args)  # type: ignore[call-overload]
        assert len(tickets) == len(sigs) == len(rands)
        return [log for terms, rand in zip(tickets, rands, strict=True) for log in self._redeem(terms, rand)]

    def _redeem(self, terms: Any, rand: Any) -> list[Log]:
        recipient, sender, face_value, win_prob, nonce, rand_hash, aux = terms
        creation_round = Round(int.from_bytes(aux[:32], "big"))
        ticket = Ticket(recipient, sender, face_value, win_prob, nonce, rand_hash, creation_round, Hash32(aux[32:]))
        account = self.chain.senders[sender]
        expired = creation_round + self.chain.validity_period <= self.chain.current_round
        if ticket.hash in self.chain.used or expired or (account.deposit < face_value and not self.partial):
            return []
        paid = Wei(min(face_value, account.deposit))
        self.chain.senders[sender] = replace(account, deposit=Wei(account.deposit - paid))
        self.chain.used.add(ticket.hash)
        winner = WinningTicket(ticket, sign_personal(SENDER_KEY, ticket.hash), rand, BlockNumber(0))
        transfer = [transfer_log(paid, sender, recipient)] if paid else []
        return [*transfer, redeemed_log(winner)]
