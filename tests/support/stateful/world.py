"""The contracts and the model side by side: every step is done to both and must have the same outcome."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

from tests.support.artifacts import Artifact, suite_artifacts
from tests.support.evm import OWNER, Contract, Log, Reverted
from tests.support.evm_suite import NO_COMMIT, EvmSuite, contract_id, deploy_suite
from tests.support.model.protocol import LoggedEvent, Model, Outcome
from tests.support.model.state import Refused
from tests.support.model.token import BURNER_ROLE, MINTER_ROLE
from tests.support.stateful.operations import ACTORS, EVERYONE, MIGRATOR, TREASURY, VERIFIER, Op, Setup, TicketSpec
from tests.support.stateful.views import Call, all_views, touched_views
from tests.support.tickets import Signed, batch, compact_batch

WEALTH_ETH = 2**90
COMPACT = "redeemWinningTicketsCompact"
BATCHES = ("batchRedeemWinningTickets", COMPACT)
_MAX = 2**256 - 1
# Tickets of which the contract is asked for the hash, and rounds back of which everything is compared.
_RECENT = 4


class Divergence(AssertionError):
    """Contracts and model disagree, or a rule that holds always is broken. `label` names which, for the shrinker."""

    def __init__(self, label: str, details: str) -> None:
        super().__init__(f"{label}: {details}")
        self.label = label


class World:
    """One deployment and its model, started: roles played, accounts rich, first round initialised."""

    def __init__(self, setup: Setup, artifacts: dict[str, Artifact] | None = None) -> None:
        self.setup = setup
        self._artifacts = artifacts or suite_artifacts()
        self.suite: EvmSuite = deploy_suite(setup.params, artifacts=self._artifacts)
        self.evm = self.suite.evm
        self._names = self.suite.contracts()
        self.minters: dict[str, Contract] = {self.suite.minter.address: self.suite.minter}
        addresses = {name: contract.address for name, contract in self._names.items()}
        targets = {f"{name}Target": contract.address for name, contract in self.suite.targets.items()}
        params = setup.params
        rates = (params.inflation_ppb, params.inflation_change_ppb, params.target_bonding_rate_ppb)
        self.rates = rates
        self.model = Model({**addresses, **targets}, owner=OWNER, block=self.evm.block, rates=rates)
        self.ticket_hashes: set[bytes] = set()
        self.last_tickets: list[Any] = []
        self.last_result: Outcome | None = None
        self.last_logs: tuple[Log, ...] = ()
        self._calldata: dict[tuple[str, str, tuple[Any, ...]], tuple[str, bytes, Any]] = {}
        self._configure_model()
        self._begin()

    # --- set-up -------------------------------------------------------------------------------------------------------

    def _configure_model(self) -> None:
        """What the deployment has done already."""
        params = self.setup.params
        for contract, function, value in (
            ("BondingManager", "setUnbondingPeriod", params.unbonding_period_rounds),
            ("BondingManager", "setNumActiveTranscoders", params.num_active_transcoders),
            ("RoundsManager", "setRoundLength", params.round_length_blocks),
            ("RoundsManager", "setRoundLockAmount", params.round_lock_amount_ppm),
            ("TicketBroker", "setUnlockPeriod", params.unlock_period_rounds),
            ("TicketBroker", "setTicketValidityPeriod", params.ticket_validity_period_rounds),
        ):
            self.model.call(self.address(contract), function, OWNER, (value,))
        minter = self.suite.minter.address
        self.model.call(self.address("LivepeerToken"), "grantRole", OWNER, (MINTER_ROLE, minter))

    def _begin(self) -> None:
        for account in ACTORS:
            self.evm.give(account, WEALTH_ETH)
            self.model.attempt(lambda account=account: self.model.ether.__setitem__(account, WEALTH_ETH))
        token, minter, max_ = "LivepeerToken", self.suite.minter.address, _MAX
        steps = [Op("set-up", "Controller", "unpause"), Op("set-up", token, "grantRole", args=(MINTER_ROLE, OWNER))]
        # A hoard beside what is at stake, so that there is inflation worth the name.
        steps.append(Op("set-up", token, "mint", args=(OWNER, 1000 * self.setup.unit + 10**10)))
        for account in ACTORS:
            steps.append(Op("set-up", token, "mint", args=(account, 1000 * self.setup.unit)))
            steps.append(Op("set-up", token, "approve", account, (self.suite.bonding.address, max_)))
        roles = ((self.setup.has_treasury, "Treasury", TREASURY), (self.setup.has_verifier, "Verifier", VERIFIER))
        for plays, name, account in (*roles, (self.setup.has_migrator, "L2Migrator", MIGRATOR)):
            if plays:
                args = (contract_id(name), account, NO_COMMIT)
                steps.append(Op("set-up", "Controller", "setContractInfo", args=args))
        if self.setup.has_verifier:
            steps.append(Op("set-up", token, "grantRole", args=(BURNER_ROLE, minter)))
        length = self.setup.params.round_length_blocks
        steps.append(Op("set-up", "world", "mine", args=(length,)))
        steps.append(Op("set-up", "RoundsManager", "initializeRound"))
        for step in steps:
            assert self.apply(step), step

    # --- look-ups -----------------------------------------------------------------------------------------------------

    def address(self, name: str) -> str:
        """Of a contract by name; an address stays what it is."""
        return self._names[name].address if name in self._names else name

    def contracts(self) -> dict[str, Contract]:
        """By name; Minters by address. The cache of the other chain's supply has nothing to compare."""
        named = {name: c for name, c in self._names.items() if name not in ("Minter", "L2LPTDataCache")}
        return {**named, **self.minters}

    def read(self, contract: str, function: str, args: tuple[Any, ...] = ()) -> Any:
        """What a contract answers.

        :raises Reverted: as it does.
        """
        call = contract, function, args
        known = self._calldata.get(call)
        if known is None:
            handle = self.minters[contract] if contract in self.minters else self._names[contract]
            abi = handle.interface.functions[function]
            known = self._calldata[call] = handle.address, abi.encode(args), abi.decode
            if len(self._calldata) > 50_000:
                self._calldata.clear()
        address, data, decode = known
        return decode(self.evm.query(address, data))

    def rounds_of_interest(self) -> list[int]:
        """This round, the next, the last few and the first."""
        now = self.model.rounds.current
        return sorted({*range(max(now - _RECENT, 1), now + 3), 1})

    # --- steps --------------------------------------------------------------------------------------------------------

    def apply(self, op: Op) -> bool:
        """Do a step; tell whether it changed anything, or was refused.

        :raises Divergence: contracts and model disagree.
        """
        self.last_result = None
        if op.to == "world":
            return self._apply_to_world(op)
        args = tuple(self._resolved(op))
        to = self.address(op.to)
        try:
            expected: Outcome | Refused = self.model.call(to, op.function, op.sender, args, op.value)
        except Refused as refusal:
            expected = refusal
        contract = self.minters[to] if to in self.minters else self._names[op.to]
        try:
            receipt = contract.call(op.function, *args, sender=op.sender, value=op.value or 0)
        except Reverted as revert:
            if isinstance(expected, Outcome):
                raise Divergence(f"{op.function} refused", f"{op}: {revert!r}, the model allows it") from revert
            if revert.data != expected.data or revert.halt:
                raise Divergence(f"{op.function} reason", f"{op}: {revert!r} instead of {expected!r}") from revert
            return False
        if isinstance(expected, Refused):
            raise Divergence(f"{op.function} allowed", f"{op}: the model refuses: {expected!r}")
        self.last_logs = receipt.logs
        if receipt.result != expected.result:
            raise Divergence(f"{op.function} result", f"{op}: {receipt.result} instead of {expected.result}")
        self._compare_events(op, [(e.address, e.name, tuple(e.args.values())) for e in receipt.events], expected.events)
        self.compare(touched_views(self, self.model.journal.touched()))
        self._compare_ether(key for table, key in self.model.journal.touched() if table == "ether")
        self.last_result = expected
        return True

    def _apply_to_world(self, op: Op) -> bool:
        if op.function == "mine":
            self.evm.block += op.args[0]
            self.model.block += op.args[0]
            self.compare({("RoundsManager", "roundState", ())})
        else:
            assert op.function == "deploy"
            minter = self.evm.deploy(self._artifacts["Minter"], self.address("Controller"), *self.rates, sender=OWNER)
            self.minters[minter.address] = minter
            self.model.add_minter(minter.address, self.rates)
        return True

    def _resolved(self, op: Op) -> Iterable[Any]:
        for arg in op.args:
            if isinstance(arg, TicketSpec):
                yield from self._signed(arg).arguments()
            elif isinstance(arg, tuple) and op.function in BATCHES and op.args == (arg,):
                signed = [self._signed(each) for each in arg]
                if op.function == COMPACT:
                    yield from compact_batch(signed)
                    continue
                tickets, sigs, rands = batch(signed)
                yield from (tickets, sigs, rands[: len(rands) - (op.rule == "batch of unequal lists")])
            else:
                yield arg

    def _signed(self, spec: TicketSpec) -> Signed:
        signed = spec.make(self.model.rounds.current, self.model.rounds.hash_of)
        self.ticket_hashes.add(signed.ticket.hash())
        self.last_tickets = [*self.last_tickets[-_RECENT:], signed.ticket.astuple()]
        if len(signed.ticket.aux_data) > 96:
            self.last_tickets.pop()
        return signed

    def next_minter(self) -> str:
        """Where the next Minter will be, if nothing else is deployed before."""
        with self.evm.rolled_back():
            minter = self.evm.deploy(self._artifacts["Minter"], self.address("Controller"), *self.rates, sender=OWNER)
        return minter.address

    # --- a batch and its tickets one by one (I19) ---------------------------------------------------------------------

    def redeemed_singly(self, op: Op) -> list[Any]:
        """What redeeming the tickets of a batch one after the other would leave; nothing is changed."""
        specs = [each for arg in op.args if isinstance(arg, tuple) for each in arg]
        with self.evm.rolled_back():
            logs: list[Any] = []
            for spec in specs:
                try:
                    arguments = self._signed(spec).arguments()
                    receipt = self.suite.broker.call("redeemWinningTicket", *arguments, sender=op.sender)
                    logs += receipt.logs
                except Reverted:
                    continue
            return [logs, self._money()]

    def check_batch(self, singly: list[Any]) -> None:
        """:raises Divergence: the batch that was just redeemed has left something else."""
        batched = [list(self.last_logs), self._money()]
        if batched != singly:
            raise Divergence("I19", f"{batched} instead of {singly}")

    def _money(self) -> list[Any]:
        """What redemption changes."""
        state = [self.read("TicketBroker", "getSenderInfo", (account,)) for account in ACTORS]
        state += [self.read("TicketBroker", "claimedReserve", pair) for pair in product(ACTORS, ACTORS)]
        state += [self.read("TicketBroker", "usedTickets", (each,)) for each in sorted(self.ticket_hashes)]
        now = self.model.rounds.current
        for account in ACTORS:
            state.append(self.read("BondingManager", "getTranscoder", (account,)))
            state.append(self.read("BondingManager", "getTranscoderEarningsPoolForRound", (account, now)))
        return state

    # --- comparison ---------------------------------------------------------------------------------------------------

    def compare(self, calls: Iterable[Call]) -> None:
        """Ask contracts and model the same.

        :raises Divergence: they answer differently.
        """
        for contract, function, args in calls:
            try:
                expected: Any = self.model.view(self.address(contract), function, args)
            except Refused as refusal:
                expected = refusal.data, "refused"
            try:
                actual: Any = self.read(contract, function, args)
            except Reverted as revert:
                actual = revert.data, "refused"
            if actual != expected:
                raise Divergence(f"view {function}", f"{contract}.{function}{args}: {actual} instead of {expected}")

    def compare_everything(self) -> int:
        """All views with all arguments of interest, and all ether; returns how many answers agreed."""
        calls = list(all_views(self))
        self.compare(calls)
        holders = [*EVERYONE, *(contract.address for contract in self.contracts().values())]
        self._compare_ether(holder for holder in holders if holder != "0x" + "00" * 20)
        return len(calls) + len(holders)

    def _compare_ether(self, holders: Iterable[str]) -> None:
        for holder in holders:
            if self.evm.balance(holder) != self.model.ether[holder]:
                raise Divergence("ether", f"{holder}: {self.evm.balance(holder)} not {self.model.ether[holder]}")

    def _compare_events(self, op: Op, actual: list[LoggedEvent], expected: list[LoggedEvent]) -> None:
        if actual != expected:
            places = zip([*actual, None], [*expected, None], strict=False)
            first = next((pair for pair in places if pair[0] != pair[1]), None)
            raise Divergence(f"{op.function} events", f"{op}: first difference {first}\n{actual}\n{expected}")
