"""What an operator decides about redemption."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from livepeer_client.errors import InvalidInput
from livepeer_client.types import Wei

# The contract's own bound on a batch.
CONTRACT_BATCH_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class RedemptionPolicy:
    """Settings of an operator. Gas in units, prices in wei per gas, calldata in bytes.

    `batch_min`: fewer tickets wait for more, unless one of them is urgent.
    `max_open`: transactions sent and not mined at the same time.
    `params_margin_blocks`: blocks after a ticket's params expired before its secret is revealed; 2 covers a redeemer
    that sees a block before the process that accepts tickets does.
    `safety_blocks`: how long before its deadline a ticket becomes urgent, at most a quarter of a round.
    `max_gas_price` binds all tickets, except that urgent ones go up to `urgent_max_gas_price` where that is set.
    `patience`: with all its time left a ticket waits for a gas price in this lowest share of the last day's.
    `value_at_risk_limit`: winners worth more than this together no longer wait for cheaper gas.
    `data_fee`: wei that one ticket's calldata costs beside its gas; without it what the chain says, which is nothing
    except on Arbitrum.
    `single_extra_gas`: what a single redemption takes more than a ticket adds to a batch, which pays once for what all
    its tickets need. `compact_group`: so many tickets of the same terms leave a batch of others for a compact call. For
    both see the measurement in docs/redemption.md.
    `fallback_gas`: bound of one ticket that could not be estimated; `overhead_gas`: a batch without its tickets.
    `quarantine_tries`: after so many refusals in words nobody knows, a ticket rests until its deadline is near.
    `bump_blocks`: L1 blocks a transaction may wait for being mined before its fees are raised.
    `alarm_shares`: shares of a ticket's window after which an operator is told that it is still open.
    """

    batch_max: int = 20
    batch_min: int = 1
    max_open: int = 4
    params_margin_blocks: int = 2
    safety_blocks: int = 50
    max_gas_price: Wei | None = None
    urgent_max_gas_price: Wei | None = None
    patience: Fraction = Fraction(1, 5)
    value_at_risk_limit: Wei | None = None
    accept_partial: bool = True
    data_fee: Wei | None = None
    overhead_gas: int = 100_000
    single_extra_gas: int = 90_000
    compact_group: int = 17
    fallback_gas: int = 1_200_000
    gas_budget: int = 20_000_000
    calldata_limit: int = 100_000
    quarantine_tries: int = 8
    bump_blocks: int = 3
    alarm_shares: tuple[Fraction, ...] = (Fraction(1, 2), Fraction(4, 5))

    def __post_init__(self) -> None:
        if not 1 <= self.batch_max <= CONTRACT_BATCH_MAX:
            raise InvalidInput(f"batch_max must be in [1, {CONTRACT_BATCH_MAX}], got {self.batch_max}")
        if not 1 <= self.batch_min <= self.batch_max:
            raise InvalidInput(f"batch_min must be in [1, {self.batch_max}], got {self.batch_min}")
        figures = (self.params_margin_blocks, self.safety_blocks, self.overhead_gas, self.fallback_gas)
        if min(*figures, self.single_extra_gas, self.data_fee or 0) < 0:
            raise InvalidInput("margins, fees and gas figures are not negative")
        if min(self.max_open, self.quarantine_tries, self.bump_blocks) < 1:
            raise InvalidInput("max_open, quarantine_tries and bump_blocks are at least 1")
        if self.compact_group < 2:
            raise InvalidInput(f"compact_group must be at least 2, got {self.compact_group}")
        if not 0 < self.patience <= 1:
            raise InvalidInput(f"patience must be in (0, 1], got {self.patience}")
        if not all(0 < share < 1 for share in self.alarm_shares):
            raise InvalidInput("alarm_shares must be between 0 and 1")
        if self.gas_budget < self.overhead_gas + self.fallback_gas:
            raise InvalidInput("gas_budget must hold at least one ticket")
