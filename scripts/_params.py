"""Parameters of a deployment, one frozen value per kind of network. Units are part of the names."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

PPM = 1_000_000
PPB = 1_000_000_000
MAX_UINT64 = 2**64 - 1


class InvalidParams(ValueError):
    """A value with which the protocol would not be safe, or which its contracts refuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """What the deployer decides (spec 16). Checked on construction, so that an invalid value never exists."""

    # Length of a round. Blocks of the L1 where the chain is an Arbitrum rollup.
    round_length_blocks: int
    # Last part of a round in which transcoders may not change their rates.
    round_lock_amount_ppm: int
    unbonding_period_rounds: int
    num_active_transcoders: int
    # LPT minted per round, as a share of the supply, and the step by which it moves.
    inflation_ppb: int
    inflation_change_ppb: int
    target_bonding_rate_ppb: int
    # Rounds from a sender's unlock to its withdrawal.
    unlock_period_rounds: int
    # Rounds in which a ticket may be redeemed, the round of its creation included.
    ticket_validity_period_rounds: int

    def __post_init__(self) -> None:
        for name, lowest, highest, rule in (
            ("round_length_blocks", 1, None, "a round has at least one block"),
            ("round_lock_amount_ppm", 0, PPM, "a share is at most 100 %"),
            ("unbonding_period_rounds", 1, MAX_UINT64, "stake must stay slashable for a round"),
            ("num_active_transcoders", 1, None, "a pool of size 0 accepts nobody"),
            ("inflation_ppb", 0, PPB, "K23: inflation is at most 100 % per round"),
            ("inflation_change_ppb", 0, PPB, "a share is at most 100 %"),
            ("target_bonding_rate_ppb", 0, PPB, "a share is at most 100 %"),
            ("unlock_period_rounds", 1, None, "K20: a sender must not claim, unlock and withdraw in one round"),
            ("ticket_validity_period_rounds", 1, None, "a ticket must be valid in the round of its creation"),
        ):
            value = getattr(self, name)
            if value < lowest or (highest is not None and value > highest):
                raise InvalidParams(f"{name} = {value}: {rule}")

    def override(self, **values: int | None) -> Params:
        """The same parameters with some replaced; None keeps the value.

        :raises InvalidParams: for an unsafe value.
        :raises TypeError: for a name that is not a parameter.
        """
        return replace(self, **{name: value for name, value in values.items() if value is not None})


# Figures of Arbitrum One, where a public document states them; round length as of LIP-83.
TESTNET = Params(
    round_length_blocks=6377,
    round_lock_amount_ppm=100_000,
    unbonding_period_rounds=7,
    num_active_transcoders=100,
    inflation_ppb=220_500,
    inflation_change_ppb=500,
    target_bonding_rate_ppb=500_000_000,
    unlock_period_rounds=2,
    ticket_validity_period_rounds=2,
)

# Rounds short enough for tests: the local chain mines slower the higher it grows.
LOCAL = TESTNET.override(round_length_blocks=20, num_active_transcoders=10)

# Rounds long enough to pay several times in one, on a chain that mines a block per second; nobody waits long for money.
DEMO = TESTNET.override(
    round_length_blocks=30, num_active_transcoders=10, unbonding_period_rounds=1, unlock_period_rounds=1
)

NETWORKS: dict[str, Params] = {"local": LOCAL, "demo": DEMO, "testnet": TESTNET}
NAMES: tuple[str, ...] = tuple(field.name for field in fields(Params))
