"""Who plays: keys, prices, latencies and capabilities of everybody, and the figures of the economy.

The figures give about 20 winners: each 2 s segment costs about two and a half tickets' expected value, and one
ticket in six wins.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Final

import coincurve
from eth_account.hdaccount import key_from_seed, seed_from_mnemonic

from livepeer_client.codec.messages import VideoProfile
from livepeer_client.codec.signature import public_key_to_address
from livepeer_client.types import Address, Wei
from scripts._demo.local_chain import MNEMONIC

ETH: Final = 10**18
LPT: Final = 10**18

PROFILES: Final = (
    VideoProfile(name="P240p25fps16x9", width=426, height=240, bitrate=500_000, fps=25),
    VideoProfile(name="P144p25fps16x9", width=256, height=144, bitrate=250_000, fps=25),
)
SEGMENT_S: Final = 2
SEGMENT_PIXELS: Final = sum(profile.width * profile.height * profile.fps * SEGMENT_S for profile in PROFILES)

TICKET_EV: Final = Wei(2 * 10**15)
FACE_VALUE: Final = Wei(6 * TICKET_EV)
FAIR_PRICE: Final = Fraction(TICKET_EV * 5 // 2, SEGMENT_PIXELS)
"""wei per pixel"""
PRICE_CEILING: Final = FAIR_PRICE * 2

BLOCKS_BEFORE_BOUNDARY: Final = 40
UNLOCK_PERIOD_ROUNDS: Final = 1
PARAMS_EXPIRATION_BLOCKS: Final = 40
CALM_BEAT_BLOCKS_PER_S: Final = 2.0
REDEMPTION_MARGIN_BLOCKS: Final = 60
"""Before the end of the last usable round of a ticket: a little more than the `safety_blocks` of redemption."""
BEAT_BLOCKS_PER_S: Final = 4.0
BRISK_BEAT_BLOCKS_PER_S: Final = 12.0
FAST_BEAT_BLOCKS_PER_S: Final = 60.0

GATEWAY_DEPOSIT: Final = Wei(2 * ETH)
GATEWAY_RESERVE: Final = Wei(1 * ETH)
DELEGATION: Final = 500 * LPT


@dataclass(frozen=True)
class Account:
    """A funded account of the local chain."""

    name: str
    index: int

    @cached_property
    def key(self) -> bytes:
        return key_from_seed(seed_from_mnemonic(MNEMONIC, ""), f"m/44'/60'/0'/0/{self.index}")

    @cached_property
    def address(self) -> Address:
        return public_key_to_address(coincurve.PrivateKey(self.key).public_key)


@dataclass(frozen=True)
class OrchestratorRole:
    """One orchestrator: `price` in wei per pixel, `stake` in LPT wei, cuts in parts per million."""

    account: Account
    remark: str
    price: Fraction
    stake: int
    latency_ms: int
    capabilities_removed: tuple[str, ...] = ()
    reward_cut_ppm: int = 100_000
    fee_share_ppm: int = 200_000


DEPLOYER: Final = Account("deployer", 0)
DELEGATOR: Final = Account("delegator", 5)
GATEWAY: Final = Account("gateway", 6)

ORCHESTRATORS: Final = (
    OrchestratorRole(Account("Ana", 1), "fits, quickest", FAIR_PRICE, 1_000 * LPT, latency_ms=150),
    OrchestratorRole(Account("Ben", 2), "fits, slower", FAIR_PRICE * Fraction(9, 10), 900 * LPT, latency_ms=350),
    OrchestratorRole(
        Account("Cleo", 3), "no MPEG-TS", FAIR_PRICE, 800 * LPT, latency_ms=150, capabilities_removed=("MPEGTS",)
    ),
    OrchestratorRole(Account("Dora", 4), "too dear", FAIR_PRICE * 5, 700 * LPT, latency_ms=150),
)
"""The delegator stands behind the first."""


def write_secret(path: Path, key: bytes) -> None:
    """A key file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(key.hex() + "\n")


def toml(sections: dict[str, dict[str, object]]) -> str:
    """Strings, whole numbers, fractions of a second, booleans and lists of strings as TOML."""
    lines: list[str] = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        # JSON's scalars and arrays of scalars are TOML's.
        lines.extend(f"{key} = {json.dumps(value)}" for key, value in values.items())
        lines.append("")
    return "\n".join(lines)


def names_by_address(accounts: Sequence[Account]) -> dict[bytes, str]:
    return {account.address: account.name for account in accounts}
