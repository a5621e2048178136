"""Every user entry point of the contracts as a typed call, tried and then made, on the real contracts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import InsufficientFunds, InvalidInput, Reverted, RevertKind
from livepeer_client.facts import Simulation
from livepeer_client.policy import outcomes
from livepeer_client.policy.pool import Hint
from livepeer_client.policy.redemption import Redeemed
from livepeer_client.services.calls import Contracts, Result
from livepeer_client.types import ZERO_ADDRESS, Address, Round, Wei
from tests.support.anvil import ALICE, BOB, ETH, GATEWAY, LPT, STRANGER, Role, Stage


@dataclass
class World:
    """The stage with what a case has prepared on it."""

    stage: Stage
    winners: list[WinningTicket] = field(default_factory=list)
    round: int = 0

    def by(self, role: Role) -> Contracts:
        return Contracts(self.stage.transactor(role))

    async def next_round(self) -> None:
        await self.stage.next_round()
        self.round = (await self.stage.suite.round_state()).current


Prepare = Callable[[World], Awaitable[Any]]
Call = Callable[[Contracts, World, bool], Awaitable[Result[Any]]]


@dataclass(frozen=True)
class Case:
    """Who calls what, after which preparation, and what comes of it; a function where it depends on the world."""

    role: Role
    call: Call
    outcome: object
    prepare: Prepare | None = None


async def nothing(world: World) -> None:
    return


async def unlocked(world: World) -> None:
    await world.by(GATEWAY).broker.unlock()


async def unlocked_and_due(world: World) -> None:
    await unlocked(world)
    for _ in range(2):
        await world.next_round()


async def won(world: World, count: int = 1) -> None:
    for nonce in range(1, count + 1):
        world.winners.append(await world.stage.winner(nonce=nonce))


async def three_won(world: World) -> None:
    await won(world, 3)


async def two_won_and_one_used(world: World) -> None:
    await won(world, 3)
    await world.by(BOB).broker.redeem(world.winners[1])


async def allowed(world: World, role: Role = STRANGER) -> None:
    if role is STRANGER:
        await world.by(ALICE).token.transfer(STRANGER.address, 10 * LPT)
    await world.by(role).token.approve(await world.stage.suite.address("BondingManager"), 5 * LPT)


async def delegated(world: World) -> None:
    await allowed(world)
    await world.by(STRANGER).bonding.bond(5 * LPT, ALICE.address)
    await world.next_round()


async def rewarded_delegator(world: World) -> None:
    await delegated(world)
    await world.by(ALICE).bonding.reward()


async def partly_unbonded(world: World) -> None:
    await delegated(world)
    await world.by(STRANGER).bonding.unbond(2 * LPT)


async def wholly_unbonded(world: World) -> None:
    await delegated(world)
    await world.by(STRANGER).bonding.unbond(5 * LPT)


async def lock_due(world: World) -> None:
    await partly_unbonded(world)
    await world.next_round()


async def has_fees(world: World) -> None:
    await won(world)
    await world.by(STRANGER).broker.redeem(world.winners[0])
    await world.next_round()


async def reward_called(world: World) -> None:
    await world.by(BOB).bonding.reward()


async def caller_named(world: World) -> None:
    await world.by(ALICE).bonding.set_reward_caller(STRANGER.address)


async def round_not_opened(world: World) -> None:
    await world.stage.next_round(initialize=False)
    world.round = (await world.stage.suite.round_state()).current


def paid(world: World, *which: int) -> tuple[Redeemed, ...]:
    tickets = [world.winners[at].ticket for at in which]
    return tuple(Redeemed(ticket.hash, ticket.face_value, Wei(0)) for ticket in tickets)


CASES = {
    "fundDeposit": Case(
        GATEWAY,
        lambda c, w, dry: c.broker.fund_deposit(Wei(3), dry_run=dry),
        outcomes.Funded(GATEWAY.address, Wei(3), Wei(0), unlock_cancelled=False),
    ),
    "fundReserve": Case(
        GATEWAY,
        lambda c, w, dry: c.broker.fund_reserve(Wei(4), dry_run=dry),
        outcomes.Funded(GATEWAY.address, Wei(0), Wei(4), unlock_cancelled=True),
        unlocked,
    ),
    "fundDepositAndReserve": Case(
        GATEWAY,
        lambda c, w, dry: c.broker.fund(Wei(3), Wei(4), dry_run=dry),
        outcomes.Funded(GATEWAY.address, Wei(3), Wei(4), unlock_cancelled=False),
    ),
    "fundDepositAndReserveFor": Case(
        STRANGER,
        lambda c, w, dry: c.broker.fund_for(GATEWAY.address, Wei(3), Wei(4), dry_run=dry),
        outcomes.Funded(GATEWAY.address, Wei(3), Wei(4), unlock_cancelled=False),
    ),
    "unlock": Case(
        GATEWAY, lambda c, w, dry: c.broker.unlock(dry_run=dry), lambda w: outcomes.Unlocking(w.round, w.round + 2)
    ),
    "cancelUnlock": Case(
        GATEWAY,
        lambda c, w, dry: c.broker.cancel_unlock(dry_run=dry),
        outcomes.UnlockCancelled(GATEWAY.address),
        unlocked,
    ),
    "withdraw": Case(
        GATEWAY,
        lambda c, w, dry: c.broker.withdraw(dry_run=dry),
        outcomes.Withdrawn(Wei(ETH), Wei(ETH)),
        unlocked_and_due,
    ),
    "redeemWinningTicket": Case(
        STRANGER, lambda c, w, dry: c.broker.redeem(w.winners[0], dry_run=dry), lambda w: paid(w, 0), won
    ),
    "batchRedeemWinningTickets": Case(
        ALICE,
        lambda c, w, dry: c.broker.redeem_batch(w.winners, dry_run=dry),
        lambda w: paid(w, 0, 2),
        two_won_and_one_used,
    ),
    "redeemWinningTicketsCompact": Case(
        ALICE,
        lambda c, w, dry: c.broker.redeem_compact(w.winners, dry_run=dry),
        lambda w: paid(w, 0, 1, 2),
        three_won,
    ),
    "bond": Case(
        STRANGER,
        lambda c, w, dry: c.bonding.bond(5 * LPT, ALICE.address, dry_run=dry),
        outcomes.Bonded(STRANGER.address, ALICE.address, ZERO_ADDRESS, 5 * LPT, 5 * LPT),
        allowed,
    ),
    "bondWithHint": Case(
        STRANGER,
        lambda c, w, dry: c.bonding.bond(5 * LPT, BOB.address, new_hint=Hint(ALICE.address, ZERO_ADDRESS), dry_run=dry),
        outcomes.Bonded(STRANGER.address, BOB.address, ZERO_ADDRESS, 5 * LPT, 5 * LPT),
        allowed,
    ),
    "bondForWithHint": Case(
        STRANGER,
        lambda c, w, dry: c.bonding.bond(2 * LPT, ALICE.address, owner=GATEWAY.address, dry_run=dry),
        outcomes.Bonded(GATEWAY.address, ALICE.address, ZERO_ADDRESS, 2 * LPT, 2 * LPT),
        allowed,
    ),
    "unbond": Case(
        STRANGER,
        lambda c, w, dry: c.bonding.unbond(2 * LPT, dry_run=dry),
        lambda w: outcomes.Unbonded(0, 2 * LPT, Round(w.round + 1)),
        delegated,
    ),
    "rebond": Case(
        STRANGER,
        lambda c, w, dry: c.bonding.rebond(0, dry_run=dry),
        outcomes.Rebonded(0, ALICE.address, 2 * LPT),
        partly_unbonded,
    ),
    "rebondWithHint": Case(
        STRANGER,
        lambda c, w, dry: c.bonding.rebond(0, hint=Hint(ZERO_ADDRESS, BOB.address), dry_run=dry),
        outcomes.Rebonded(0, ALICE.address, 2 * LPT),
        partly_unbonded,
    ),
    "rebondFromUnbonded": Case(
        STRANGER,
        lambda c, w, dry: c.bonding.rebond_from_unbonded(BOB.address, 0, dry_run=dry),
        outcomes.Rebonded(0, BOB.address, 5 * LPT),
        wholly_unbonded,
    ),
    "transferBond": Case(
        STRANGER,
        lambda c, w, dry: c.bonding.transfer_bond(GATEWAY.address, LPT, dry_run=dry),
        outcomes.BondTransferred(GATEWAY.address, LPT),
        delegated,
    ),
    "withdrawStake": Case(
        STRANGER,
        lambda c, w, dry: c.bonding.withdraw_stake(0, dry_run=dry),
        outcomes.StakeWithdrawn(0, 2 * LPT),
        lock_due,
    ),
    "withdrawFees": Case(
        ALICE,
        lambda c, w, dry: c.bonding.withdraw_fees(GATEWAY.address, 1000, dry_run=dry),
        outcomes.FeesWithdrawn(GATEWAY.address, Wei(1000)),
        has_fees,
    ),
    "transcoder": Case(
        BOB,
        lambda c, w, dry: c.bonding.set_rates(1, 2, dry_run=dry),
        outcomes.RatesSet(1, 2, joined=False),
        reward_called,
    ),
    "setRewardCaller": Case(
        ALICE,
        lambda c, w, dry: c.bonding.set_reward_caller(STRANGER.address, dry_run=dry),
        outcomes.RewardCallerSet(ALICE.address, STRANGER.address),
    ),
    "initializeRound": Case(
        STRANGER,
        lambda c, w, dry: c.rounds.initialize_round(dry_run=dry),
        lambda w: w.round,
        round_not_opened,
    ),
    "setServiceURI": Case(
        STRANGER,
        lambda c, w, dry: c.registry.set_service_uri("https://x.example:1", dry_run=dry),
        outcomes.ServiceUriSet(STRANGER.address, "https://x.example:1"),
    ),
    "approve": Case(
        ALICE,
        lambda c, w, dry: c.token.approve(BOB.address, 7, dry_run=dry),
        outcomes.Approved(ALICE.address, BOB.address, 7),
    ),
    "transfer": Case(
        ALICE,
        lambda c, w, dry: c.token.transfer(BOB.address, 7, dry_run=dry),
        outcomes.TokensMoved(ALICE.address, BOB.address, 7),
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_call__tried_and_made__has_the_same_outcome_and_only_the_second_acts(stage: Stage, name: str) -> None:
    case, world = CASES[name], World(stage)
    world.round = (await stage.suite.round_state()).current
    await (case.prepare or nothing)(world)
    contracts, before = world.by(case.role), await stage.suite.head()
    tried = await case.call(contracts, world, True)
    assert tried.dry_run
    assert (await stage.suite.head()).block_hash == before.block_hash
    made = await case.call(contracts, world, False)
    assert made.receipt is not None
    expected = case.outcome(world) if callable(case.outcome) else case.outcome
    if name == "initializeRound":
        # The hash of the block before is another one in each.
        assert (tried.done.round, made.done.round) == (expected, expected)
    else:
        assert tried.done == made.done == expected
    assert 21_000 < made.gas <= tried.gas * 5 // 4
    assert made.cost == made.gas * made.receipt.effective_gas_price
    assert tried.cost > 0


@pytest.mark.parametrize("hint", [Hint(ZERO_ADDRESS, ZERO_ADDRESS), Hint(ZERO_ADDRESS, BOB.address)])
async def test_reward__tried_and_made__says_how_much(stage: Stage, hint: Hint) -> None:
    contracts = Contracts(stage.transactor(ALICE))
    before = (await stage.suite.orchestrator_state(ALICE.address)).stake
    tried = await contracts.bonding.reward(hint=hint, dry_run=True)
    made = await contracts.bonding.reward(hint=hint)
    assert tried.done == made.done
    assert made.done.transcoder == ALICE.address
    assert (await stage.suite.orchestrator_state(ALICE.address)).stake == before + made.done.amount > before


async def test_reward_for__by_its_reward_caller__credits_the_transcoder(stage: Stage) -> None:
    world = World(stage)
    await caller_named(world)
    made = await world.by(STRANGER).bonding.reward_for(ALICE.address)
    assert made.done.transcoder == ALICE.address
    assert (await stage.suite.orchestrator_state(ALICE.address)).last_reward_round > 0
    with pytest.raises(Reverted):
        await world.by(STRANGER).bonding.reward_for(BOB.address)


async def test_claim_earnings__of_a_delegator__says_what_was_added(stage: Stage) -> None:
    world = World(stage)
    await rewarded_delegator(world)
    contracts = world.by(STRANGER)
    before = (await stage.suite.call("BondingManager", "getDelegator", [STRANGER.address]))[0]
    tried, made = await contracts.bonding.claim_earnings(dry_run=True), await contracts.bonding.claim_earnings()
    assert tried.done == made.done
    assert made.done.rewards > 0
    after = (await stage.suite.call("BondingManager", "getDelegator", [STRANGER.address]))[0]
    assert after == before + made.done.rewards
    assert (await contracts.bonding.claim_earnings()).done == outcomes.Claimed(0, Wei(0), Round(0), Round(0))


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.parametrize(
    ("role", "call", "reason"),
    [
        (STRANGER, lambda c, dry: c.broker.unlock(dry_run=dry), "sender deposit and reserve are zero"),
        (GATEWAY, lambda c, dry: c.broker.cancel_unlock(dry_run=dry), "no unlock request in progress"),
        (STRANGER, lambda c, dry: c.bonding.reward(dry_run=dry), "caller must be an active transcoder"),
        (STRANGER, lambda c, dry: c.rounds.initialize_round(dry_run=dry), "round already initialized"),
        (STRANGER, lambda c, dry: c.bonding.withdraw_stake(3, dry_run=dry), "invalid unbonding lock ID"),
    ],
)
async def test_call__that_the_contract_refuses__raises_its_reason_and_costs_nothing(
    stage: Stage, role: Role, call: Callable[[Contracts, bool], Awaitable[Any]], reason: str, dry: bool
) -> None:
    before = await stage.suite.head()
    with pytest.raises(Reverted) as refusal:
        await call(Contracts(stage.transactor(role)), dry)
    assert (refusal.value.reason, refusal.value.kind) == (reason, RevertKind.REASON)
    assert (await stage.suite.head()).block_hash == before.block_hash


@pytest.mark.parametrize("dry", [True, False])
async def test_call__beyond_the_balance__is_refused_with_the_figures(stage: Stage, dry: bool) -> None:
    with pytest.raises(InsufficientFunds) as refusal:
        await Contracts(stage.transactor(GATEWAY)).broker.fund_deposit(Wei(10**24), dry_run=dry)
    assert refusal.value.required >= 10**24 > refusal.value.balance


async def test_set_rates__outside_of_a_whole__is_refused_before_any_node_is_asked(stage: Stage) -> None:
    with pytest.raises(InvalidInput):
        await Contracts(stage.transactor(BOB)).bonding.set_rates(1_000_001, 0)


async def test_call__that_fails_once_mined__says_why(stage: Stage) -> None:
    await stage.rpc.call("evm_setAutomine", [False])
    wallet = stage.transactor(STRANGER)
    transaction = await wallet.prepare("RoundsManager", "initializeRound", [], gas_limit=300_000)
    await wallet.broadcast(transaction)
    await stage.mine()
    receipt = await wallet.wait(transaction.tx_hash, 5)
    why = await wallet.why(receipt, "RoundsManager", "initializeRound", [])
    assert (why.reason, why.tx_hash) == ("round already initialized", transaction.tx_hash)


async def reverting_with(stage: Stage, contract: str, data: bytes) -> None:
    """Replace a contract's code by some that always reverts with `data`."""
    # CODECOPY the data behind the code to memory, then REVERT with it.
    size = len(data).to_bytes(2, "big")
    code = b"\x61" + size + b"\x60\x0e\x60\x00\x39" + b"\x61" + size + b"\x60\x00\xfd" + data
    address = await stage.suite.address(contract)
    await stage.rpc.call("anvil_setCode", ["0x" + address.hex(), "0x" + code.hex()])


PANIC = bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big")


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        (b"", RevertKind.EMPTY, ""),
        (PANIC, RevertKind.PANIC, "panic 0x11"),
        (b"\xde\xad\xbe\xef" + bytes(32), RevertKind.UNKNOWN, ""),
    ],
    ids=["nothing", "panic", "data"],
)
async def test_call__refused_without_a_text__says_in_which_way(
    stage: Stage, data: bytes, kind: RevertKind, reason: str
) -> None:
    await reverting_with(stage, "LivepeerToken", data)
    with pytest.raises(Reverted) as refusal:
        await Contracts(stage.transactor(ALICE)).token.transfer(BOB.address, 1, dry_run=True)
    assert (refusal.value.kind, refusal.value.reason, refusal.value.data) == (kind, reason, data)
    assert refusal.value.panic == (0x11 if kind is RevertKind.PANIC else None)


async def test_call__refused_with_an_error_of_the_interface__names_it_with_its_arguments(stage: Stage) -> None:
    from eth_abi.abi import encode

    from livepeer_client.codec.keccak import keccak256

    data = keccak256(b"StringTooLong(string)")[:4] + encode(["string"], ["a name that is too long"])
    await reverting_with(stage, "LivepeerToken", data)
    for dry in (True, False):
        with pytest.raises(Reverted) as refusal:
            await Contracts(stage.transactor(ALICE)).token.transfer(BOB.address, 1, dry_run=dry)
        assert refusal.value.kind is RevertKind.CUSTOM
        assert refusal.value.custom is not None
        assert refusal.value.custom.name == refusal.value.reason == "StringTooLong"
        assert list(refusal.value.custom.args.values()) == ["a name that is too long"]


async def test_dry_run__against_a_node_that_does_not_tell_events__still_says_gas_and_cost(stage: Stage) -> None:
    wallet = stage.transactor(GATEWAY)

    class Plain:
        """The transactor, over a node without `eth_simulateV1`."""

        address: Address = wallet.address

        async def simulate(self, *args: Any, **options: Any) -> Simulation:
            found = await wallet.simulate(*args, **options)
            return Simulation(found.gas, found.fees, found.gas_price, None)

    found = await Contracts(Plain()).broker.fund_deposit(Wei(1), dry_run=True)  # type: ignore[arg-type]
    assert found.outcome is None
    assert found.cost > found.gas > 21_000
    with pytest.raises(ValueError, match="did not tell"):
        _ = found.done
