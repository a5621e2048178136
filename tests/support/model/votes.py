"""BondingVotes (spec 12)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from tests.support.model.fractions import ONE, share
from tests.support.model.state import NOBODY, Cell, Table, custom

if TYPE_CHECKING:
    from tests.support.model.protocol import Model


class Record(NamedTuple):
    """What is known of an account from a round on."""

    start_round: int = 0
    bonded: int = 0
    delegate: str = NOBODY
    delegated: int = 0
    last_claim_round: int = 0
    last_reward_round: int = 0

    def transcoder_votes(self, account: str) -> int:
        return self.delegated if self.delegate == account and self.bonded > 0 else 0


class VotesModel:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._records: Table[str, tuple[Record, ...]] = Table(model.journal, "records", ())
        self._totals: Cell[tuple[tuple[int, int], ...]] = Cell(model.journal, "vote_totals", ())

    # --- used by other contracts --------------------------------------------------------------------------------------

    def checkpoint(self, account: str, new: Record) -> None:
        records = self._records[account]
        old = records[-1] if records else Record()
        kept = records[:-1] if records and old.start_round == new.start_round else records
        self._records[account] = (*kept, new)
        emit = self._model.emit
        if old.delegate != new.delegate:
            emit("BondingVotes", "DelegateChanged", account, old.delegate, new.delegate)
        before, after = old.transcoder_votes(account), new.transcoder_votes(account)
        if before != after:
            emit("BondingVotes", "DelegateVotesChanged", account, before, after)
        if (old.bonded, old.last_claim_round) != (new.bonded, new.last_claim_round):
            emit(
                "BondingVotes",
                "DelegatorBondedAmountChanged",
                account,
                old.bonded,
                old.last_claim_round,
                new.bonded,
                new.last_claim_round,
            )

    def checkpoint_total(self, total: int, round_: int) -> None:
        self._totals.value = (*self._totals.value, (round_, total))

    # --- calls --------------------------------------------------------------------------------------------------------

    def checkpointBondingState(self, sender: str, *_: object) -> None:  # noqa: N802
        self._refuse(sender)

    def checkpointTotalActiveStake(self, sender: str, *_: object) -> None:  # noqa: N802
        self._refuse(sender)

    def _refuse(self, sender: str) -> None:
        required = self._model.controller.resolve("BondingManager")
        assert sender != required, "the model has its own way for the BondingManager"
        raise custom("InvalidCaller(address,address)", sender, required)

    # --- views --------------------------------------------------------------------------------------------------------

    def delegate(self, delegatee: str) -> None:
        del delegatee
        raise custom("MustCallBondingManager(string)", "bond")

    def delegateBySig(self, *_: object) -> None:  # noqa: N802
        raise custom("MustCallBondingManager(string)", "bondFor")

    def record(self, account: str, round_: int) -> Record:
        self._known(round_)
        records = self._records[account]
        index = bisect_right(records, round_, key=lambda each: each.start_round)
        return records[index - 1] if index else Record()

    def getVotesAndDelegateAtRoundStart(self, account: str, round_: int) -> tuple[int, str]:  # noqa: N802
        bond = self.record(account, round_)
        if bond.bonded == 0:
            return 0, bond.delegate
        if bond.delegate == account:
            return bond.delegated, account
        delegate = bond.delegate
        target = self.record(delegate, round_)
        pools = self._model.bonding.pools
        end = 0
        if target.last_reward_round > 0:
            end = pools.of[delegate, target.last_reward_round].reward_factor
            if end == 0:
                raise custom("MissingEarningsPool(address,uint256)", delegate, target.last_reward_round)
        if target.delegate != delegate or target.bonded == 0:
            return 0, delegate
        if target.last_reward_round < bond.last_claim_round:
            return bond.bonded, delegate
        start = pools.of[delegate, bond.last_claim_round].reward_factor
        return share(bond.bonded, end or ONE, start or ONE), delegate

    def getTotalActiveStakeAt(self, round_: int) -> int:  # noqa: N802
        self._known(round_)
        totals = self._totals.value
        index = bisect_left(totals, round_, key=lambda each: each[0])
        if not totals:
            return 0
        if index == len(totals):
            return self._model.bonding.next_total
        if index == 0 and totals[0][0] != round_:
            return 0
        return totals[index][1]

    def getVotes(self, account: str) -> int:  # noqa: N802
        return self.getVotesAndDelegateAtRoundStart(account, self._now + 1)[0]

    def getPastVotes(self, account: str, round_: int) -> int:  # noqa: N802
        return self.getVotesAndDelegateAtRoundStart(account, self._after(round_))[0]

    def delegates(self, account: str) -> str:
        return self.record(account, self._now + 1).delegate

    def delegatedAt(self, account: str, round_: int) -> str:  # noqa: N802
        return self.record(account, self._after(round_)).delegate

    def totalSupply(self) -> int:  # noqa: N802
        return self.getTotalActiveStakeAt(self._now + 1)

    def getPastTotalSupply(self, round_: int) -> int:  # noqa: N802
        return self.getTotalActiveStakeAt(self._after(round_))

    def hasCheckpoint(self, account: str) -> bool:  # noqa: N802
        return bool(self._records[account])

    def clock(self) -> int:
        return self._now

    @property
    def _now(self) -> int:
        return self._model.rounds.current

    def _known(self, round_: int) -> None:
        if round_ > self._now + 1:
            raise custom("FutureLookup(uint256,uint256)", round_, self._now + 1)

    def _after(self, round_: int) -> int:
        if round_ >= self._now:
            raise custom("FutureLookup(uint256,uint256)", round_, max(self._now - 1, 0))
        return round_ + 1
