"""What a ticket's bytes cost beside its execution (offchain-payments 16, Gas favourability)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.ticket import Ticket, WinningTicket, recipient_rand_hash
from livepeer_client.facts import Calldata, DataCost
from livepeer_client.policy.redemption.calls import BROKER, call_of
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Signature, Wei, WinProb

_FEW: Final = 2
_MANY: Final = 12


@dataclass(frozen=True, slots=True)
class DataFees:
    """Wei for the bytes of a single redemption, and for those that one more ticket adds to a batch. `gas`: the part of
    a single redemption's gas estimate that stands for its bytes."""

    single: Wei
    marginal: Wei
    gas: int

    def share(self, in_batch_of: int) -> Wei:
        """One ticket's part of a batch: its own bytes, and its share of those that all have in common."""
        common = max(0, self.single - self.marginal)
        return Wei(self.marginal + -(-common // in_batch_of))


def representative_calls() -> list[tuple[str, str, Sequence[object]]]:
    """Redemptions to ask the price of, the same each time: a single one, a batch of a few tickets, a batch of many.

    Their senders, secrets and signatures are as incompressible as those of real ones.
    """
    winners = [_winner(number) for number in range(_MANY)]
    wanted = ((Calldata.SINGLE, 1), (Calldata.BATCH, _FEW), (Calldata.BATCH, _MANY))
    return [(BROKER, *call_of(kind, winners[:count])) for kind, count in wanted]


def data_fees(costs: Sequence[DataCost]) -> DataFees | None:
    """From the costs of `representative_calls`; None if the chain does not charge for bytes."""
    if not costs:
        return None
    single, few, many = costs
    added = max(0, many.fee - few.fee)
    return DataFees(single.fee, Wei(-(-added // (_MANY - _FEW))), single.gas)


def _winner(number: int) -> WinningTicket:
    def noise(of: bytes) -> Hash32:
        return keccak256(b"representative redemption, %s, %d" % (of, number))

    rand = int.from_bytes(noise(b"secret"), "big")
    ticket = Ticket(
        recipient=Address(keccak256(b"recipient")[:20]),
        sender=Address(noise(b"sender")[:20]),
        face_value=Wei(10**15 + 10**9),
        win_prob=WinProb(int.from_bytes(noise(b"probability"), "big")),
        sender_nonce=number + 1,
        recipient_rand_hash=recipient_rand_hash(rand),
        creation_round=Round(4_000),
        creation_round_block_hash=keccak256(b"round"),
    )
    return WinningTicket(ticket, Signature(noise(b"r") + noise(b"s") + b"\x1b"), rand, BlockNumber(0))
