"""Arguments of the broker's entry points (onchain 11.1, 11.5, 11.6)."""

from collections.abc import Sequence
from typing import Final

from livepeer_client.codec.ticket import WinningTicket, aux_data
from livepeer_client.errors import InvalidInput
from livepeer_client.facts import Calldata

BROKER: Final = "TicketBroker"
# Selector and three array heads; per ticket: its tuple, signature, secret and their heads, in words of 32 bytes.
_BATCH_BYTES: Final = 4 + 6 * 32
_TICKET_BYTES: Final = 18 * 32


def redeem_arguments(winner: WinningTicket) -> tuple[tuple[object, ...], bytes, int]:
    """Arguments of `redeemWinningTicket`: ticket tuple, signature, recipientRand (onchain 11.1)."""
    ticket = winner.ticket
    terms = (
        ticket.recipient,
        ticket.sender,
        ticket.face_value,
        ticket.win_prob,
        ticket.sender_nonce,
        ticket.recipient_rand_hash,
        aux_data(ticket.creation_round, ticket.creation_round_block_hash),
    )
    return terms, winner.sig, winner.recipient_rand


def batch_arguments(winners: Sequence[WinningTicket]) -> tuple[list[object], list[bytes], list[int]]:
    """Arguments of `batchRedeemWinningTickets`: three arrays of equal length."""
    singles = [redeem_arguments(winner) for winner in winners]
    return [terms for terms, _, _ in singles], [sig for _, sig, _ in singles], [rand for _, _, rand in singles]


def share_terms(winners: Sequence[WinningTicket]) -> bool:
    """Whether two or more tickets differ in nonce, secret and signature only, so that the compact call takes them."""
    return len(winners) > 1 and len({terms_of(winner) for winner in winners}) == 1


def terms_of(winner: WinningTicket) -> tuple[object, ...]:
    """What the tickets of a compact call have in common."""
    ticket = winner.ticket
    # The hash of a round is looked up by the broker: a wrong one would be a ticket it does not know.
    where = (ticket.creation_round, ticket.creation_round_block_hash)
    return (ticket.sender, ticket.recipient, ticket.face_value, ticket.win_prob, *where)


def compact_arguments(
    winners: Sequence[WinningTicket],
) -> tuple[bytes, bytes, int, int, int, list[tuple[int, int, bytes, bytes]]]:
    """Arguments of `redeemWinningTicketsCompact`: what the tickets share, then nonce, secret and signature of each, the
    signature as r and vs (EIP-2098).

    :raises InvalidInput: they do not share their terms.
    """
    if not share_terms(winners):
        raise InvalidInput("a compact redemption takes two or more tickets of the same terms")
    ticket = winners[0].ticket
    tickets = []
    for winner in winners:
        r, s, v = winner.sig[:32], winner.sig[32:64], winner.sig[64]
        vs = int.from_bytes(s, "big") | (v - 27) << 255
        tickets.append((winner.ticket.sender_nonce, winner.recipient_rand, r, vs.to_bytes(32, "big")))
    return (ticket.sender, ticket.recipient, ticket.face_value, ticket.win_prob, ticket.creation_round, tickets)


def call_of(kind: Calldata, winners: Sequence[WinningTicket]) -> tuple[str, Sequence[object]]:
    """Function of the broker, and its arguments as ABI values."""
    match kind:
        case Calldata.SINGLE:
            (winner,) = winners
            return "redeemWinningTicket", redeem_arguments(winner)
        case Calldata.COMPACT:
            return "redeemWinningTicketsCompact", compact_arguments(winners)
        case Calldata.BATCH:
            return "batchRedeemWinningTickets", batch_arguments(winners)


def calldata_bytes(tickets: int) -> int:
    """Calldata of a batch of so many tickets."""
    return _BATCH_BYTES + tickets * _TICKET_BYTES
