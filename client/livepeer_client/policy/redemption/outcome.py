"""What became of tickets, read from events (offchain-payments 16, Outcome). A transaction's status proves nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from livepeer_client.codec.ticket import Ticket, recipient_rand_hash, ticket_hash
from livepeer_client.errors import InvalidInput
from livepeer_client.facts import Receipt, StoredTicket, TicketOutcome, TicketState
from livepeer_client.policy.redemption.calls import BROKER
from livepeer_client.types import Address, Hash32, Round, Wei, WinProb

REDEEMED = "redeemed"
UNDERPAID = "funds covered only a part"


@dataclass(frozen=True, slots=True)
class Redeemed:
    """One ticket that a transaction redeemed: wei paid, and how much of that out of the reserve."""

    hash: Hash32
    paid: Wei
    from_reserve: Wei


def redeemed_in(receipt: Receipt) -> list[Redeemed]:
    """All tickets that a receipt shows redeemed, in order.

    Each WinningTicketRedeemed is named by the ticket hash recomputed from it; the WinningTicketTransfer since the one
    before gives the amount, none means 0, and ReserveClaimed the part out of the reserve.
    """
    found: list[Redeemed] = []
    paid = from_reserve = 0
    for log in receipt.logs:
        if log.contract != BROKER:
            continue
        if log.name == "WinningTicketTransfer":
            paid = _amount(log.args)
        elif log.name == "ReserveClaimed":
            from_reserve = _amount(log.args)
        elif log.name == "WinningTicketRedeemed":
            hash_ = _redeemed_hash(log.args)
            if hash_ is not None:
                found.append(Redeemed(hash_, Wei(paid), Wei(from_reserve)))
            paid = from_reserve = 0
    return found


def outcomes_of(receipt: Receipt, tickets: Sequence[StoredTicket]) -> tuple[list[TicketOutcome], list[StoredTicket]]:
    """Read a receipt: (outcomes of the tickets redeemed in it, the tickets it says nothing about)."""
    wanted = {ticket.hash: ticket for ticket in tickets}
    outcomes: list[TicketOutcome] = []
    for redeemed in redeemed_in(receipt):
        ticket = wanted.pop(redeemed.hash, None)
        if ticket is None:
            continue
        whole = redeemed.paid >= ticket.winner.ticket.face_value
        outcomes.append(
            TicketOutcome(
                hash=ticket.hash,
                state=TicketState.PAID if whole else TicketState.UNDERPAID,
                paid=redeemed.paid,
                tx_hash=receipt.tx_hash,
                reason=REDEEMED if whole else UNDERPAID,
            )
        )
    return outcomes, [ticket for ticket in tickets if ticket.hash in wanted]


def ran_out_of_gas(receipt: Receipt, gas_limit: int, left_out: int) -> bool:
    """Whether tickets were left out for want of gas: some were, and hardly any of the limit was left.

    The broker hides why a ticket of a batch failed; a call inside gets at most 63/64 of what is left, so one that ran
    out leaves about a 64th.
    """
    return left_out > 0 and receipt.gas_used * 64 >= gas_limit * 62


def _amount(args: Mapping[str, object]) -> int:
    amount = args["amount"]
    return amount if isinstance(amount, int) else 0


def _redeemed_hash(args: Mapping[str, object]) -> Hash32 | None:
    """The hash of the ticket in a WinningTicketRedeemed event; None if its auxData is not that of a valid ticket."""
    aux = args["auxData"]
    rand, sender, recipient = args["recipientRand"], args["sender"], args["recipient"]
    face_value, win_prob, nonce = args["faceValue"], args["winProb"], args["senderNonce"]
    if not (
        isinstance(aux, bytes)
        and isinstance(rand, int)
        and isinstance(sender, bytes)
        and isinstance(recipient, bytes)
        and isinstance(face_value, int)
        and isinstance(win_prob, int)
        and isinstance(nonce, int)
    ):
        return None
    try:
        return ticket_hash(
            Ticket(
                recipient=Address(recipient),
                sender=Address(sender),
                face_value=Wei(face_value),
                win_prob=WinProb(win_prob),
                sender_nonce=nonce,
                recipient_rand_hash=recipient_rand_hash(rand),
                creation_round=Round(int.from_bytes(aux[:32], "big")),
                creation_round_block_hash=Hash32(aux[32:]),
            )
        )
    except InvalidInput:
        # Somebody's ticket with figures ours never have, such as a nonce over 32 bits.
        return None
