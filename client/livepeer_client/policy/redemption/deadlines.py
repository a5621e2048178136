"""How long a ticket may wait (offchain-payments 16, Deadline). Blocks are L1 blocks."""

from dataclasses import dataclass
from fractions import Fraction

from livepeer_client.codec.ticket import Ticket, WinningTicket
from livepeer_client.policy.redemption.settings import RedemptionPolicy
from livepeer_client.policy.redemption.situation import RedemptionFacts
from livepeer_client.types import BlockNumber, Round


def last_usable_round(creation_round: Round, validity_rounds: int) -> Round:
    """The contract wants creationRound + validity > current round (onchain 11.5)."""
    return Round(creation_round + validity_rounds - 1)


def deadline_block(ticket: Ticket, facts: RedemptionFacts, policy: RedemptionPolicy) -> BlockNumber:
    """The L1 block from which on `ticket` is urgent: the end of its last usable round less a safety margin.

    A sender that unlocks sets an earlier deadline: the round before it may withdraw.
    """
    safety = min(policy.safety_blocks, facts.round.length_blocks // 4)
    return BlockNumber(end_block(ticket, facts) - safety)


def validity_end(ticket: Ticket, facts: RedemptionFacts) -> BlockNumber:
    """The first L1 block of the round after the last one in which `ticket` is valid."""
    return _start_of(Round(last_usable_round(ticket.creation_round, facts.validity_rounds) + 1), facts)


def end_block(ticket: Ticket, facts: RedemptionFacts) -> BlockNumber:
    """The first L1 block at which no transaction can redeem `ticket` any more."""
    end = validity_end(ticket, facts)
    withdraw_round = facts.senders[ticket.sender].withdraw_round
    return min(end, _start_of(withdraw_round, facts)) if withdraw_round else end


def _start_of(round_: Round, facts: RedemptionFacts) -> BlockNumber:
    return BlockNumber(facts.round.start_block + (round_ - facts.round.current) * facts.round.length_blocks)


def is_urgent(ticket: Ticket, facts: RedemptionFacts, policy: RedemptionPolicy) -> bool:
    """True once the slack is spent, and for every ticket of a sender that unlocks."""
    unlocking = facts.senders[ticket.sender].withdraw_round != 0
    return unlocking or facts.head.l1_block >= deadline_block(ticket, facts, policy)


@dataclass(frozen=True, slots=True)
class Window:
    """When a ticket can be redeemed without haste: from `opens` until `closes`, then urgently until `ends`."""

    opens: BlockNumber
    closes: BlockNumber
    ends: BlockNumber

    def slack(self, block: BlockNumber) -> Fraction:
        """Share of the window that is left at `block`, in [0, 1]."""
        length = self.closes - self.opens
        if length <= 0:
            return Fraction(0)
        return min(max(Fraction(self.closes - block, length), Fraction(0)), Fraction(1))


def window(winner: WinningTicket, facts: RedemptionFacts, policy: RedemptionPolicy) -> Window:
    """The window opens when the ticket's secret may be revealed."""
    return Window(
        opens=BlockNumber(winner.params_expiration_block + policy.params_margin_blocks),
        closes=deadline_block(winner.ticket, facts, policy),
        ends=end_block(winner.ticket, facts),
    )


def outlives_its_tickets(expiration_blocks: int, length_blocks: int, validity_rounds: int, margin_blocks: int) -> bool:
    """Whether a quote made in the last block of a round ends after its tickets can be redeemed.

    Such winners are lost: redeeming reveals the secret of their quote, so it waits until nobody can pay with it.

    :param expiration_blocks: L1 blocks for which a quote holds.
    :param length_blocks: L1 blocks of a round.
    :param validity_rounds: rounds in which a ticket can be redeemed, the round of its creation included.
    :param margin_blocks: L1 blocks that redemption waits beyond the quote's end.
    """
    return expiration_blocks + margin_blocks >= (validity_rounds - 1) * length_blocks
