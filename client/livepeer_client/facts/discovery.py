"""What a gateway remembers of orchestrators between two looks at the network."""

from dataclasses import dataclass
from fractions import Fraction

from livepeer_client.types import Address, Round


@dataclass(frozen=True, slots=True)
class KnownOrchestrator:
    """One row of the cache (offchain-network 1.2). `stake` in LPT wei; `price`, wei per pixel, None until one was told.

    Active from `activation_round` up to the round before `deactivation_round`. `updated_at` in Unix seconds.
    """

    address: Address
    service_uri: str
    stake: int
    activation_round: Round
    deactivation_round: Round
    price: Fraction | None = None
    updated_at: float = 0.0

    def is_active(self, round_: int) -> bool:
        return self.activation_round <= round_ < self.deactivation_round
