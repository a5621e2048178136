"""Arguments of the broker's redeem calls, written out from the contract's own types."""

from livepeer_client.codec.ticket import WinningTicket


def redeem_args(winner: WinningTicket) -> list[object]:
    ticket = winner.ticket
    aux_data = ticket.creation_round.to_bytes(32, "big") + ticket.creation_round_block_hash
    terms = (
        ticket.recipient,
        ticket.sender,
        ticket.face_value,
        ticket.win_prob,
        ticket.sender_nonce,
        ticket.recipient_rand_hash,
        aux_data,
    )
    return [terms, winner.sig, winner.recipient_rand]
