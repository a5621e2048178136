"""Takes a list of steps: skips those that are made, sends the rest, and leaves a trace that the next run can follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ape.exceptions import ApeException

from scripts._deployment.errors import (
    ChangedSince,
    CodeMismatch,
    RoundNotReached,
    StaleJournal,
    StepFailed,
    Unsettled,
)
from scripts._deployment.journal import Journal, Record
from scripts._deployment.site import Sender, Site
from scripts._deployment.steps import Create, Mint, Step

POLL_S = 0.5
SETTLE_TIMEOUT_S = 120.0


class State(Enum):
    """Of a step, as the chain and the journal tell it."""

    MADE = "made"
    TO_DO = "to do"
    # Made by this run.
    SENT = "sent"


Report = Callable[[Step, State, Record | None], None]


def silent(step: Step, state: State, record: Record | None) -> None:
    """Says nothing."""


@dataclass(slots=True, kw_only=True)
class Run:
    """One pass over the steps of a deployment."""

    site: Site
    sender: Sender
    journal: Journal
    # Told of every step, after it.
    report: Report = silent
    # Makes the chain longer; None where nobody can.
    mine: Callable[[int], None] | None = None
    settle_timeout_s: float = SETTLE_TIMEOUT_S
    # Contracts created in this pass: nothing was set on them before.
    _fresh: set[str] = field(default_factory=set)
    _nonce: int = 0

    def settle(self, steps: Sequence[Step]) -> None:
        """Find out what became of every transaction whose end the journal does not know.

        :raises Unsettled: if one is still waiting after `settle_timeout_s`.
        """
        deadline = time.monotonic() + self.settle_timeout_s
        unsettled = {record.sender for record in self.journal.records.values() if not record.done}
        for account in {self.sender.address, *unsettled}:
            while (waiting := self.site.transactions_of(account, "pending") - self.site.transactions_of(account)) > 0:
                if time.monotonic() > deadline:
                    raise Unsettled(
                        f"{waiting} transactions of {account} are waiting to be mined: wait, or replace them, then run "
                        "again"
                    )
                time.sleep(POLL_S)
        self._nonce = self.site.transactions_of(self.sender.address)
        creations = {step.key: step for step in steps if isinstance(step, Create)}
        for key, record in list(self.journal.records.items()):
            creation = creations.get(key)
            if not record.done:
                self._settle_record(key, record, creation)
            if creation and record.address and self.journal.is_done(key):
                self.site.know(creation.name, record.address, creation.answers_as)

    def _settle_record(self, key: str, record: Record, creation: Create | None) -> None:
        for known in record.hashes:
            receipt = self.site.rpc("eth_getTransactionReceipt", known)
            if receipt is None:
                continue
            if int(receipt["status"], 16) == 1:
                block, gas = int(receipt["blockNumber"], 16), int(receipt["gasUsed"], 16)
                self.journal.conclude(key, transaction=known, block=block, gas_used=gas)
            else:
                self.journal.forget(key)
            return
        # The node may have lost a receipt, but not the contract: this account can have created it with this nonce only.
        if creation and record.address and creation.code_check(self.site, record.address).ok:
            self.journal.conclude(key, transaction=None, block=None, gas_used=None)
        elif self.site.transactions_of(record.sender) > record.nonce:
            self.journal.forget(key)

    # --- steps ------------------------------------------------------------------------------------

    def run(self, steps: Sequence[Step]) -> None:
        """Make every step that is not made.

        :raises DeploymentError: where it has to stop; the next run goes on from there.
        """
        self.settle(steps)
        for step in steps:
            state = self.state(step)
            if state is State.TO_DO:
                self._make(step)
                state = State.SENT
            self.report(step, state, self.journal.records.get(step.key))

    def state(self, step: Step) -> State:
        """Whether a step is made. Needs `settle` first.

        :raises StaleJournal: if the chain no longer has a recorded contract.
        :raises CodeMismatch: if a recorded contract is not what the sources give.
        :raises ChangedSince: if the step was made and is no longer in force.
        """
        recorded = self.journal.is_done(step.key)
        if isinstance(step, Create):
            return self._state_of_creation(step) if recorded else State.TO_DO
        if isinstance(step, Mint):
            return State.MADE if recorded else State.TO_DO
        if step.subject not in self.site.addresses or (step.subject in self._fresh and step.lasting):
            return State.TO_DO
        failed = [check for check in step.checks(self.site) if not check.ok]
        if failed and recorded and step.lasting:
            raise ChangedSince(step.key, [str(check) for check in failed])
        return State.TO_DO if failed else State.MADE

    def _state_of_creation(self, step: Create) -> State:
        if step.name in self._fresh:
            return State.MADE
        address = self.site.addresses[step.name]
        if not self.site.code(address):
            where = f"{self.journal.path}: " if self.journal.path else ""
            raise StaleJournal(
                f"{where}{step.name} was created at {address}, where this chain has no code: it was reset or set back. "
                "Remove the file, name another with --journal, or set it aside with --restart"
            )
        if not step.code_check(self.site, address).ok:
            raise CodeMismatch(step.name, address)
        failed = [check for check in step.checks(self.site) if not check.ok]
        if failed:
            raise ChangedSince(step.key, [str(check) for check in failed])
        return State.MADE

    def _make(self, step: Step) -> None:
        self._wait_for_block(step)
        address = step.lands_at(self.site, self.sender, self._nonce) if isinstance(step, Create) else None
        try:
            signed = self.sender.sign(step.transaction(self.site), self._nonce)
            self.journal.intend(
                step.key, sender=self.sender.address, nonce=self._nonce, transaction=signed.hash, address=address
            )
            receipt = self.sender.send(signed)
        except ApeException as error:
            raise StepFailed(step.key, str(error)) from error
        self._nonce += 1
        if receipt.failed:
            raise StepFailed(step.key, f"transaction {receipt.txn_hash} failed")
        self.journal.conclude(
            step.key, transaction=str(receipt.txn_hash), block=receipt.block_number, gas_used=receipt.gas_used
        )
        if isinstance(step, Create) and address:
            self.site.know(step.name, address, step.answers_as)
            self._fresh.add(step.name)

    def _wait_for_block(self, step: Step) -> None:
        blocks = step.blocks_to_wait(self.site)
        if blocks == 0:
            return
        if self.mine is None:
            raise RoundNotReached(blocks)
        self.mine(blocks)
