"""Every way in which a ticket can be refused, each with the published reason (spec 11.5, steps 2 to 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.support.network import NULL_ADDRESS, Network
from tests.support.tickets import MAX_UINT256, Signed, compact, draw, high_s, word

Fault = Callable[[Network], Signed]


def block_hash(network: Network, number: int) -> bytes:
    return bytes(network.rounds.blockHashForRound(number))


def aux_data_of(length: int) -> Fault:
    def fault(network: Network) -> Signed:
        full = word(network.round) + block_hash(network, network.round) + bytes(32)
        return network.ticket(aux_data=full[:length])

    return fault


def expired(network: Network) -> Signed:
    oldest_valid = network.round - network.protocol.params.ticket_validity_period_rounds + 1
    return network.ticket(creation_round=oldest_valid - 1)


def resigned(change: Callable[[bytes], bytes]) -> Fault:
    def fault(network: Network) -> Signed:
        signed = network.ticket()
        return signed.with_sig(change(signed.sig))

    return fault


def lost(network: Network) -> Signed:
    """A ticket whose draw is not below its chance: the strict comparison needs draw < winProb."""
    while True:
        signed = network.ticket(win_prob=MAX_UINT256 // 2)
        if draw(signed.sig, signed.recipient_rand) >= signed.ticket.win_prob:
            return signed


def other_rand(network: Network) -> Signed:
    return replace(network.ticket(), recipient_rand=8)


FAULTS: dict[str, tuple[Fault, str]] = {
    "recipient_null": (lambda n: n.ticket(recipient=NULL_ADDRESS), "ticket recipient is null address"),
    "sender_null": (lambda n: n.ticket(sender=NULL_ADDRESS), "ticket sender is null address"),
    "aux_data_empty": (aux_data_of(0), "invalid length for ticket auxData: must be 64 bytes"),
    "aux_data_63_bytes": (aux_data_of(63), "invalid length for ticket auxData: must be 64 bytes"),
    "aux_data_65_bytes": (aux_data_of(65), "invalid length for ticket auxData: must be 64 bytes"),
    "round_never_initialized": (
        lambda n: n.ticket(creation_round=n.round + 1),
        "ticket creationRound does not have a block hash",
    ),
    "round_beyond_any_number": (
        lambda n: n.ticket(aux_data=word(MAX_UINT256) + bytes(32)),
        "ticket creationRound does not have a block hash",
    ),
    "k24_hash_of_another_chain": (
        lambda n: n.ticket(block_hash=bytes(31) + b"\x01"),
        "ticket creationRoundBlockHash invalid for creationRound",
    ),
    "expired": (expired, "ticket is expired"),
    "other_recipient_rand": (other_rand, "recipientRand does not match recipientRandHash"),
    "r7_compact_signature": (resigned(compact), "INVALID_SIGNATURE_LENGTH"),
    "signature_empty": (resigned(lambda sig: b""), "INVALID_SIGNATURE_LENGTH"),
    "signature_66_bytes": (resigned(lambda sig: sig + b"\x00"), "INVALID_SIGNATURE_LENGTH"),
    "r7_high_s": (resigned(high_s), "ECDSA: invalid signature 's' value"),
    "r7_v_of_0_or_1": (resigned(lambda sig: sig[:64] + bytes([sig[64] - 27])), "ECDSA: invalid signature"),
    "r7_v_of_29": (resigned(lambda sig: sig[:64] + b"\x1d"), "ECDSA: invalid signature"),
    "signature_of_nothing": (resigned(lambda sig: bytes(64) + b"\x1b"), "ECDSA: invalid signature"),
    "signed_by_another": (lambda n: n.ticket(signer=n.stranger), "invalid signature over ticket hash"),
    "lost": (lost, "ticket did not win"),
    "chance_of_zero": (lambda n: n.ticket(win_prob=0), "ticket did not win"),
}
