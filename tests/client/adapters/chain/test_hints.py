"""Hints for every change of stake: those of the view contract, and the same ones computed where there is none."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from livepeer_client.adapters.chain.abi import contract_id, load_abi
from livepeer_client.adapters.chain.json_values import to_hex
from livepeer_client.adapters.chain.pool_code import members
from livepeer_client.adapters.chain.rpc import Call, NodeError, Rpc
from livepeer_client.adapters.chain.suite import Addresses, Suite
from livepeer_client.errors import ChainUnavailable, MalformedMessage
from livepeer_client.policy.pool import NO_HINT, Hint
from livepeer_client.services.calls import Contracts, Result
from livepeer_client.types import ZERO_ADDRESS, Address
from tests.support.anvil import ALICE, BOB, ETH, LPT, STRANGER, Deployer, Role, Stage, anvil, opened, set_stage
from tests.support.artifacts import CACHE, compile_all

# The pool holds ten: with these it is full, and the last two of them stay outside.
MEMBERS = [ALICE, BOB, *(Role(f"transcoder {number}") for number in range(8))]
OUTSIDERS = [Role("transcoder that came late"), Role("delegator")]
EVERYBODY = [*MEMBERS, *OUTSIDERS]


class Counting:
    """An `Rpc` that counts round trips."""

    def __init__(self, inner: Rpc) -> None:
        self.inner = inner
        self.trips = 0

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        self.trips += 1
        return await self.inner.call(method, params)

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        self.trips += 1
        return await self.inner.batch(calls)


@dataclass
class World:
    """The stage with a full pool; `view` asks the contract, `computed` knows none."""

    stage: Stage
    view: Suite
    computed: Suite
    account: str

    async def give(self, role: Role, amount: int) -> None:
        """LPT that the role may bond."""
        deployer = Deployer(self.stage.rpc, self.account)
        token, bonding = (
            await self.stage.suite.address("LivepeerToken"),
            await self.stage.suite.address("BondingManager"),
        )
        await self.stage.rpc.call("anvil_setBalance", [to_hex(role.address), hex(100 * ETH)])
        await deployer.call("LivepeerToken", token, "mint", role.address, amount)
        await self.stage.transactor(role).send("LivepeerToken", "approve", [bonding, 10 * amount])

    def by(self, role: Role, *, hinted: bool = True) -> Contracts:
        return Contracts(self.stage.transactor(role), self.view if hinted else None)


@pytest.fixture(scope="module")
def node() -> Iterator[tuple[str, Addresses]]:
    """A chain of its own with long rounds; the addresses name the view contract, the Controller does not know it."""
    with anvil() as url:
        yield url, asyncio.run(_prepare(url))


async def _prepare(url: str) -> Addresses:
    addresses = await set_stage(url, CACHE, round_blocks=300)
    async with opened(url, addresses) as stage:
        account = (await stage.rpc.call("eth_accounts"))[0]
        code = "0x" + compile_all(["PoolHints"])["PoolHints"].bytecode.hex()
        view = await Deployer(stage.rpc, account).create(code, ["address"], [addresses.controller])
        world = World(stage, stage.suite, stage.suite, account)
        for position, role in enumerate(EVERYBODY):
            await world.give(role, 10_000 * LPT)
            if role is OUTSIDERS[-1]:
                await stage.transactor(role).send("BondingManager", "bond", [60 * LPT, MEMBERS[-1].address])
            elif position > 1:
                # The last two members have as much as each other.
                stake = (400 - 40 * min(position, 8)) if role in MEMBERS else 10
                await stage.transactor(role).send("BondingManager", "bond", [stake * LPT, role.address])
        assert await stage.suite.pool_size() == len(MEMBERS)
        # Who has bonded is a delegator from the next round on.
        await stage.next_round()
    return replace(addresses, contracts={**addresses.contracts, "PoolHints": view})


def without_view(addresses: Addresses) -> Addresses:
    return replace(addresses, contracts={name: at for name, at in addresses.contracts.items() if name != "PoolHints"})


@pytest.fixture
async def world(stage: Stage, node: tuple[str, Addresses]) -> World:
    account = (await stage.rpc.call("eth_accounts"))[0]
    return World(stage, stage.suite, Suite(stage.rpc, without_view(node[1])), account)


Ask = Callable[[Suite], Awaitable[Any]]


def questions(dice: random.Random) -> dict[str, Ask]:
    """One of every kind, about anybody."""
    who, to, other = (dice.choice(EVERYBODY).address for _ in range(3))
    amount = dice.choice([0, 1, 10, 50, 60, 500, 2000]) * LPT
    lock = dice.choice([0, 1, 2])
    return {
        "bond": lambda suite: suite.bond_hints(who, amount, to),
        "unbond": lambda suite: suite.unbond_hint(who, amount),
        "rebond": lambda suite: suite.rebond_hint(who, lock),
        "rebond from unbonded": lambda suite: suite.rebond_from_unbonded_hint(who, to, lock),
        "transfer": lambda suite: suite.transfer_bond_hints(who, other, amount),
        "transcoder": lambda suite: suite.transcoder_hint(who),
    }


def says_something(answer: Any) -> bool:
    return any(part not in (NO_HINT, ZERO_ADDRESS) for part in answer)


async def everybody_unbonds_some(world: World) -> None:
    """Locks 0 and 1 of everybody; the late transcoder leaves with all."""
    for position, role in enumerate(EVERYBODY):
        for amount in (LPT * (position + 1), 3 * LPT) if role is not OUTSIDERS[0] else (10 * LPT,):
            await world.stage.transactor(role).send("BondingManager", "unbond", [amount])


@pytest.mark.parametrize("locks", [False, True])
async def test_hints__computed__are_those_of_the_view_contract(world: World, locks: bool) -> None:
    if locks:
        await everybody_unbonds_some(world)
    dice, told = random.Random(11), Counter[str]()
    for _ in range(40):
        for kind, ask in questions(dice).items():
            answer = await ask(world.view)
            assert await ask(world.computed) == answer, kind
            told[kind] += says_something(answer)
    least = {"bond": 10, "unbond": 5, "transfer": 5}
    if locks:
        least |= {"rebond": 5, "rebond from unbonded": 5}
    assert {kind: told[kind] for kind, count in least.items() if told[kind] < count} == {}


async def test_transcoder_hint__of_one_that_a_place_has_come_free_for__is_its_place(world: World) -> None:
    late = OUTSIDERS[0].address
    assert await world.view.transcoder_hint(late) == await world.computed.transcoder_hint(late) == NO_HINT
    await world.stage.transactor(BOB).send("BondingManager", "unbond", [500 * LPT])
    expected = Hint((await world.stage.suite.orchestrators())[-1].address, ZERO_ADDRESS)
    assert await world.view.transcoder_hint(late) == await world.computed.transcoder_hint(late) == expected


async def test_reward_hint__of_every_member__is_that_of_the_view_contract(world: World) -> None:
    await world.stage.next_round()
    for role in MEMBERS:
        found = await world.view.reward_hint(role.address)
        assert await world.computed.reward_hint(role.address) == found != NO_HINT


async def test_hints__of_the_view_contract__take_one_request(world: World) -> None:
    counting = Counting(world.stage.rpc)
    suite = Suite(counting, world.view.addresses)
    await suite.bond_hints(ALICE.address, LPT, BOB.address)
    assert counting.trips == 1
    counting.trips = 0
    await suite.reward_hint(ALICE.address)
    assert counting.trips == 1


async def test_hints__view_contract_registered_but_not_in_the_addresses__ask_it(
    world: World, node: tuple[str, Addresses]
) -> None:
    controller, view = node[1].controller, world.view.address_of("PoolHints")
    deployer = Deployer(world.stage.rpc, world.account)
    await deployer.call("Controller", controller, "setContractInfo", contract_id("PoolHints"), view, bytes(20))
    counting = Counting(world.stage.rpc)
    suite = Suite(counting, without_view(node[1]))
    await suite.unbond_hint(ALICE.address, LPT)
    # The Controller, then the view.
    assert counting.trips == 2
    assert suite.address_of("PoolHints") == view


async def test_hints__no_view_contract__ask_the_controller_for_it_once(
    world: World, node: tuple[str, Addresses]
) -> None:
    counting = Counting(world.stage.rpc)
    suite = Suite(counting, without_view(node[1]))
    await suite.unbond_hint(ALICE.address, LPT)
    counting.trips = 0
    await suite.unbond_hint(ALICE.address, LPT)
    # The block, the pool's order, and stakes with the delegator.
    assert counting.trips == 3


# --- typed calls ----------------------------------------------------------------------------------


async def unbonded(world: World, role: Role, amount: int) -> None:
    await world.stage.transactor(role).send("BondingManager", "unbond", [amount])


Make = Callable[[Contracts, bool], Awaitable[Result[Any]]]
Prepare = Callable[[World], Awaitable[Any]]


async def nothing(world: World) -> None:
    return


async def bob_has_a_lock(world: World) -> None:
    await unbonded(world, BOB, 300 * LPT)


async def delegator_has_left(world: World) -> None:
    await unbonded(world, OUTSIDERS[1], 60 * LPT)


async def delegator_has_claimed(world: World) -> None:
    await world.stage.transactor(OUTSIDERS[1]).send("BondingManager", "claimEarnings", [0])


async def late_and_a_free_place(world: World) -> None:
    await unbonded(world, BOB, 500 * LPT)


async def new_round(world: World) -> None:
    await world.stage.next_round()


async def caller_named(world: World) -> None:
    await world.stage.transactor(BOB).send("BondingManager", "setRewardCaller", [STRANGER.address])
    await world.stage.next_round()


CASES: dict[str, tuple[Role, Make, Prepare]] = {
    "bondWithHint": (BOB, lambda c, dry: c.bonding.bond(70 * LPT, BOB.address, dry_run=dry), nothing),
    "bondForWithHint": (
        BOB,
        lambda c, dry: c.bonding.bond(70 * LPT, MEMBERS[-1].address, owner=OUTSIDERS[1].address, dry_run=dry),
        delegator_has_claimed,
    ),
    "unbondWithHint": (BOB, lambda c, dry: c.bonding.unbond(300 * LPT, dry_run=dry), nothing),
    "rebondWithHint": (BOB, lambda c, dry: c.bonding.rebond(0, dry_run=dry), bob_has_a_lock),
    "rebondFromUnbondedWithHint": (
        OUTSIDERS[1],
        lambda c, dry: c.bonding.rebond_from_unbonded(MEMBERS[5].address, 0, dry_run=dry),
        delegator_has_left,
    ),
    "transferBond": (
        MEMBERS[2],
        lambda c, dry: c.bonding.transfer_bond(OUTSIDERS[1].address, 100 * LPT, dry_run=dry),
        delegator_has_claimed,
    ),
    "transcoderWithHint": (
        OUTSIDERS[0],
        lambda c, dry: c.bonding.set_rates(1000, 2000, dry_run=dry),
        late_and_a_free_place,
    ),
    "rewardWithHint": (BOB, lambda c, dry: c.bonding.reward(dry_run=dry), new_round),
    "rewardForTranscoderWithHint": (
        STRANGER,
        lambda c, dry: c.bonding.reward_for(BOB.address, dry_run=dry),
        caller_named,
    ),
}


@pytest.mark.parametrize("function", CASES)
async def test_call__with_somebody_to_ask__gives_the_hint_and_leads_to_the_same(world: World, function: str) -> None:
    role, make, prepare = CASES[function]
    await prepare(world)
    expected = (await make(world.by(role, hinted=False), True)).done
    async with world.stage.taken_back():
        await make(world.by(role, hinted=False), False)
        order = [(each.address, each.stake) for each in await world.computed.orchestrators()]

    assert (await make(world.by(role), True)).done == expected
    made = await make(world.by(role), False)
    assert made.receipt is not None
    sent = await world.stage.rpc.call("eth_getTransactionByHash", [to_hex(made.receipt.tx_hash)])
    selector = to_hex(load_abi("BondingManager").function(function).selector)
    assert sent["input"].startswith(selector)
    # Some neighbour is named.
    hints = sent["input"][-64 * (4 if function in ("bondWithHint", "bondForWithHint", "transferBond") else 2) :]
    assert int(hints, 16) != 0
    assert [(each.address, each.stake) for each in await world.computed.orchestrators()] == order


class Deaf(Suite):
    """A suite whose node is gone when it is asked for hints."""

    async def unbond_hint(self, delegator: Address, amount: int) -> Hint:
        raise ChainUnavailable("gone")


async def test_call__whose_hint_cannot_be_read__is_made_without(world: World, node: tuple[str, Addresses]) -> None:
    contracts = Contracts(world.stage.transactor(BOB), Deaf(world.stage.rpc, node[1]))
    made = await contracts.bonding.unbond(LPT)
    assert made.done.amount == LPT


async def test_call__with_no_hint_given__does_not_ask(world: World, node: tuple[str, Addresses]) -> None:
    counting = Counting(world.stage.rpc)
    contracts = Contracts(world.stage.transactor(BOB), Suite(counting, node[1]))
    await contracts.bonding.unbond(LPT, hint=NO_HINT)
    assert counting.trips == 0


# --- the pool in one call ---------------------------------------------------------------------------


class Plain(Counting):
    """A node that refuses calls without a receiver."""

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        answers = await super().batch(calls)
        refused = NodeError("eth_call", -32602, "missing to")
        bare = [name == "eth_call" and "to" not in params[0] for name, params in calls]
        return [refused if no else answer for no, answer in zip(bare, answers, strict=True)]


async def test_orchestrators__asked_for_the_first_time__take_three_requests_whatever_the_pool(world: World) -> None:
    counting = Counting(world.stage.rpc)
    found = await Suite(counting, world.view.addresses).orchestrators()
    # The block, the pool's order, and what is wanted of each.
    assert counting.trips == 3
    assert len(found) == len(MEMBERS)


async def test_orchestrators__of_a_node_that_runs_no_such_call__are_the_same(world: World) -> None:
    plain = Plain(world.stage.rpc)
    found = await Suite(plain, world.view.addresses).orchestrators()
    assert found == await Suite(world.stage.rpc, world.view.addresses).orchestrators()
    # One more for each member, and the one that was refused.
    assert plain.trips == 3 + 1 + len(MEMBERS)


async def test_orchestrators__of_an_empty_pool__are_none(world: World) -> None:
    for role in MEMBERS:
        stake = (await world.view.orchestrator_state(role.address)).stake
        await world.stage.transactor(role).send("BondingManager", "unbond", [stake])
    assert await Suite(world.stage.rpc, world.view.addresses).orchestrators() == []


@pytest.mark.parametrize("answer", [bytes(31), bytes(12) + b"\1" * 20 + bytes(12) + b"\1" * 20, b"\1" * 32])
def test_members__of_no_list_of_addresses__are_refused(answer: bytes) -> None:
    with pytest.raises(MalformedMessage):
        members(answer)
