"""Quotes against the rounds in which their tickets can be redeemed."""

import pytest

from livepeer_client.policy.redemption import outlives_its_tickets


@pytest.mark.parametrize(
    ("expiration_blocks", "length_blocks", "validity_rounds", "margin_blocks", "expected"),
    [
        # Arbitrum One: a round is far longer than a quote.
        (40, 6377, 2, 2, False),
        # Made in the last block of a round, it may end in the last block but one of the next.
        (40, 43, 2, 2, False),
        (40, 42, 2, 2, True),
        (40, 30, 2, 2, True),
        (40, 30, 3, 2, False),
        # Without a round after that of its creation no quote is short enough.
        (1, 6377, 1, 0, True),
    ],
)
def test_outlives_its_tickets__quote_of_the_last_block__against_what_is_left(
    expiration_blocks: int, length_blocks: int, validity_rounds: int, margin_blocks: int, expected: bool
) -> None:
    found = outlives_its_tickets(expiration_blocks, length_blocks, validity_rounds, margin_blocks)
    assert found is expected
