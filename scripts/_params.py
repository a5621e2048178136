"""Parameters of a deployment, one file per kind of network in `scripts/_networks`. Units are part of the names."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal, get_args

PPM = 1_000_000
PPB = 1_000_000_000
MAX_UINT64 = 2**64 - 1
# Enough for any amount of LPT, and far from where a sum in wei (1e-18) could overflow.
MAX_LPT = 10**15
MAX_DELAY_S = 10 * 365 * 86_400
# The governor counts rounds in 48 bits.
MAX_VOTING_ROUNDS = 2**32
# The BondingManager packs the size of its pool into 16 bits.
MAX_POOL_SIZE = 2**16 - 1

FOLDER = Path(__file__).resolve().parent / "_networks"

# How strict the verification is: on a development chain a test account may own everything, and on a production network
# no single key may hold any right.
Profile = Literal["development", "testnet", "production"]
PROFILES: tuple[Profile, ...] = get_args(Profile)


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
    # Share of every reward that goes to the treasury, until it holds that many LPT.
    treasury_reward_cut_ppb: int
    treasury_balance_ceiling_lpt: int
    # From a decision's announcement in the treasury to its execution.
    treasury_min_delay_s: int
    # Rounds from a proposal to the one whose end decides how much votes weigh, and rounds in which they are taken.
    voting_delay_rounds: int
    voting_period_rounds: int
    # Stake that a proposer needs.
    proposal_threshold_lpt: int
    # Share of the total active stake that must vote, and share of For among For and Against.
    quorum_ppm: int
    quota_ppm: int
    # What the faucet of a test network begins with, and gives per request; nothing: no faucet.
    faucet_supply_lpt: int
    faucet_request_lpt: int
    faucet_wait_hours: int

    def __post_init__(self) -> None:
        for name, lowest, highest, rule in (
            ("round_length_blocks", 1, MAX_UINT64, "K17: a round has at least one block, or the clock stands still"),
            ("round_lock_amount_ppm", 0, PPM, "a share is at most 100 %"),
            ("unbonding_period_rounds", 1, MAX_UINT64, "stake must stay slashable for a round"),
            (
                "num_active_transcoders",
                1,
                MAX_POOL_SIZE,
                "a pool of size 0 accepts nobody, one above 2^16 - 1 is refused",
            ),
            ("inflation_ppb", 0, PPB, "K23: inflation is at most 100 % per round"),
            ("inflation_change_ppb", 0, PPB, "a share is at most 100 %"),
            ("target_bonding_rate_ppb", 0, PPB, "a share is at most 100 %"),
            ("unlock_period_rounds", 1, MAX_UINT64, "K20: a sender must not claim, unlock and withdraw in one round"),
            ("ticket_validity_period_rounds", 1, MAX_UINT64, "a ticket must be valid in the round of its creation"),
            ("treasury_reward_cut_ppb", 0, PPB, "a share is at most 100 %"),
            ("treasury_balance_ceiling_lpt", 0, MAX_LPT, "an amount of LPT from 0 (no ceiling) to 1e15"),
            ("treasury_min_delay_s", 0, MAX_DELAY_S, "from 0 to ten years; with more the treasury never acts"),
            ("voting_delay_rounds", 0, MAX_VOTING_ROUNDS, "rounds from 0 to 2^32"),
            ("voting_period_rounds", 1, MAX_VOTING_ROUNDS, "a vote needs a round at least, and at most 2^32"),
            ("proposal_threshold_lpt", 0, MAX_LPT, "an amount of LPT from 0 to 1e15"),
            ("quorum_ppm", 0, PPM, "a share is at most 100 %"),
            ("quota_ppm", 0, PPM, "a share is at most 100 %"),
            ("faucet_supply_lpt", 0, MAX_LPT, "an amount of LPT from 0 (no faucet) to 1e15"),
            ("faucet_request_lpt", 0, MAX_LPT, "an amount of LPT from 0 to 1e15"),
            ("faucet_wait_hours", 0, MAX_VOTING_ROUNDS, "hours from 0 to 2^32"),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidParams(f"{name} = {value!r}: a whole number is needed")
            if not lowest <= value <= highest:
                raise InvalidParams(f"{name} = {value}: {rule}")
        if self.round_length_blocks * self.round_lock_amount_ppm // PPM == self.round_length_blocks:
            raise InvalidParams(
                f"round_lock_amount_ppm = {self.round_lock_amount_ppm}: no block of a round is left in which a "
                "transcoder may register"
            )
        if self.faucet_supply_lpt and not 0 < self.faucet_request_lpt <= self.faucet_supply_lpt:
            raise InvalidParams(
                f"faucet_request_lpt = {self.faucet_request_lpt}: a faucet gives something, and no more than "
                f"faucet_supply_lpt = {self.faucet_supply_lpt}"
            )

    @property
    def has_faucet(self) -> bool:
        return self.faucet_supply_lpt > 0

    def override(self, **values: int | None) -> Params:
        """The same parameters with some replaced; None keeps the value.

        :raises InvalidParams: for an unsafe value.
        :raises TypeError: for a name that is not a parameter.
        """
        return replace(self, **{name: value for name, value in values.items() if value is not None})

    def as_dict(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Params:
        """:raises InvalidParams: for an unsafe value, a name that is missing and one that is not a parameter."""
        if missing := [name for name in NAMES if name not in values]:
            raise InvalidParams(f"{missing[0]} is missing")
        if unknown := [name for name in values if name not in NAMES]:
            raise InvalidParams(f"{unknown[0]}: there is no such parameter")
        return cls(**values)  # type: ignore[arg-type]


NAMES: tuple[str, ...] = tuple(field.name for field in fields(Params))


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A kind of network that the protocol can be deployed on."""

    name: str
    profile: Profile
    # None: any development chain.
    chain_id: int | None
    params: Params

    def override(self, **values: int | None) -> Network:
        """The same network with some parameters replaced, checked again."""
        return checked(replace(self, params=self.params.override(**values)))


def checked(network: Network) -> Network:
    """:raises InvalidParams: for a value that is safe only on a chain of one's own."""
    params = network.params
    if network.profile != "development" and params.unlock_period_rounds < params.ticket_validity_period_rounds:
        raise InvalidParams(
            f"unlock_period_rounds = {params.unlock_period_rounds}: K20: a sender could withdraw while its tickets are "
            f"valid, for ticket_validity_period_rounds = {params.ticket_validity_period_rounds}"
        )
    if network.profile != "development":
        for name in ("quorum_ppm", "quota_ppm", "proposal_threshold_lpt"):
            if getattr(params, name) == 0:
                raise InvalidParams(f"{name} = 0: anybody could decide what the treasury does")
    if network.profile == "production" and params.has_faucet:
        raise InvalidParams(
            f"faucet_supply_lpt = {params.faucet_supply_lpt}: LPT is not given away where it is worth something"
        )
    return network


def load(path: Path) -> Network:
    """Read a network's file.

    :raises InvalidParams: with the file's name and what is wrong in it.
    """
    try:
        content = tomllib.loads(path.read_text())
        if unknown := content.keys() - {"profile", "chain_id", "params"}:
            raise InvalidParams(f"{min(unknown)}: there is no such setting")
        profile, chain_id = content.get("profile"), content.get("chain_id")
        if profile not in PROFILES:
            raise InvalidParams(f"profile = {profile!r}: one of {', '.join(PROFILES)} is needed")
        if chain_id is None and profile != "development":
            raise InvalidParams("chain_id is missing: only a development profile fits any chain")
        if chain_id is not None and (isinstance(chain_id, bool) or not isinstance(chain_id, int)):
            raise InvalidParams(f"chain_id = {chain_id!r}: a whole number is needed")
        params = content.get("params", {})
        if not isinstance(params, dict):
            raise InvalidParams("params: a table is needed")
        return checked(Network(name=path.stem, profile=profile, chain_id=chain_id, params=Params.from_dict(params)))
    except (tomllib.TOMLDecodeError, InvalidParams) as error:
        raise InvalidParams(f"{path.name}: {error}") from error


NETWORKS: dict[str, Network] = {path.stem: load(path) for path in sorted(FOLDER.glob("*.toml"))}

LOCAL = NETWORKS["local"].params
DEMO = NETWORKS["demo"].params
TESTNET = NETWORKS["arbitrum-sepolia"].params
