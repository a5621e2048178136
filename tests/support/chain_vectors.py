"""What each vector about chain services claims, asserted against the library."""

from collections.abc import Sequence
from typing import Any, Final

import pytest

from livepeer_client.adapters.chain.abi import load_abi
from livepeer_client.adapters.chain.retrying import RetryingRpc, RetryPolicy
from livepeer_client.adapters.chain.rpc import Call, NodeError
from livepeer_client.adapters.chain.suite import Addresses, Suite
from livepeer_client.adapters.chain.transactor import Transactor
from livepeer_client.adapters.fakes import FakeChain, FakeTransactor, ManualClock, MemoryTransactionJournal
from livepeer_client.codec.redeemer_api import decode_ticket, encode_ticket
from livepeer_client.codec.ticket import Ticket, WinningTicket
from livepeer_client.errors import ChainUnavailable, NonceConsumed, ReplacementTooExpensive
from livepeer_client.facts import (
    Activation,
    Fees,
    Lane,
    Log,
    OrchestratorState,
    RoundState,
    SenderAccount,
    SenderInfo,
    SignedTransaction,
)
from livepeer_client.policy.fees import bumped, price_at, replacement_fees
from livepeer_client.policy.pool import NO_HINT, hint
from livepeer_client.policy.ranges import sub_ranges
from livepeer_client.policy.watching import (
    WANTED,
    RoundClock,
    after_broker_event,
    after_new_round,
    clock_of,
    in_new_round,
)
from livepeer_client.services.blocks import BlockWatcher, RollBack, Step
from livepeer_client.services.chain_cache import ChainCache
from livepeer_client.services.gas import GasPriceMonitor
from livepeer_client.services.reward import RewardService
from livepeer_client.services.rounds import RoundsService
from livepeer_client.services.transactions import LaneRules, TransactionManager
from livepeer_client.types import ZERO_ADDRESS, ZERO_HASH, Address, BlockNumber, Hash32, Round, Signature, Wei, WinProb
from tests.support.vectors import Check, Entry, Excluded, from_hex

_KEY: Final = b"\x01" * 32
_ME: Final = Address(b"\x0a" * 20)
_SENDER: Final = Address(b"\x0b" * 20)
_NOTHING: Final = Fees(Wei(0), Wei(0))


def check_orch_active(entry: Entry) -> None:
    activation = Activation(Round(entry["activationRound"]), Round(entry["deactivationRound"]))
    assert activation.is_active(entry["round"]) is entry["active"]


# --- transactions ---------------------------------------------------------------------------------


def check_price_bump(entry: Entry) -> None:
    assert bumped(int(entry["value"]), entry["bumpPercent"]) == int(entry["expected"])


def check_tx_gas_price(entry: Entry) -> None:
    """A fee cap leaves room for the base fee to double, so the base fee it was made for can be told from it."""
    if entry["type"] == "legacy":
        price = int(entry["gasPrice"])
        assert price_at(price, Fees(Wei(price), Wei(0))) == int(entry["expected"])
        return
    cap, tip = int(entry["feeCap"]), int(entry["tip"])
    assert price_at((cap - tip) // 2, Fees(Wei(cap), Wei(tip))) == int(entry["expected"])


async def check_tx_replace(entry: Entry) -> None:
    if entry["name"] == "bumped price over max":
        with pytest.raises(ReplacementTooExpensive):
            replacement_fees(_fees(entry["feeCap"], entry["tip"]), _NOTHING, Wei(int(entry["max"])))
        return
    if entry["name"] == "dynamic tx feeCap 1000 tip 100":
        after = replacement_fees(_fees(1000, 100), _NOTHING, None)
        assert after == _fees(entry["newFeeCap"], entry["newTip"])
        return
    chain = FakeChain()
    transactor = FakeTransactor(_ME, chain)
    transactor.auto_mine = False
    if entry["name"] == "timeouts replace up to the maximum":
        assert await _replacements(chain, transactor, entry["maxReplacements"]) == entry["attempts"]
        return
    transaction = await transactor.prepare("BondingManager", "reward", [])
    await transactor.broadcast(transaction)
    if entry["name"] == "found and not pending":
        transactor.mine_pending()
        with pytest.raises(NonceConsumed):
            await transactor.replace(transaction)
        return
    assert entry["name"] == "lookup error other than not-found aborts"
    transactor.failure = ChainUnavailable("down")
    with pytest.raises(ChainUnavailable):
        await transactor.replace(transaction)
    assert len(transactor.prepared) == 1


async def _replacements(chain: FakeChain, transactor: FakeTransactor, most: int) -> int:
    """How often a transaction that is never mined is replaced."""
    clock = ManualClock()
    lanes = {Lane.REWARD: LaneRules(max_bumps=most)}
    manager = TransactionManager(chain, transactor, MemoryTransactionJournal(), clock, lanes)
    lane = manager.lane(Lane.REWARD)
    await lane.broadcast(await lane.prepare("BondingManager", "reward", []))
    for _ in range(most + 3):
        await clock.advance(1000)
        await manager.step()
    return len(manager.outgoing[0].transactions) - 1


def _fees(cap: object, tip: object) -> Fees:
    return Fees(Wei(int(str(cap))), Wei(int(str(tip))))


async def check_gas_price_monitor(entry: Entry) -> None:
    chain = FakeChain()
    monitor = GasPriceMonitor(chain, ManualClock(), min_price=Wei(int(entry["minGasPrice"])))
    for price in entry["oracle"]:
        chain.gas_price = Wei(int(price))
        await monitor.poll()
    assert monitor.price == int(entry["gasPrice"])


class _Node:
    """A node that answers what signing takes."""

    def __init__(self, pending: int) -> None:
        self.pending = pending

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        raise AssertionError(method)

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        known = {
            "eth_getTransactionCount": hex(self.pending),
            "eth_getBlockByNumber": {"baseFeePerGas": "0x1"},
            "eth_maxPriorityFeePerGas": "0x0",
            "eth_chainId": "0x1",
            "eth_getBalance": hex(10**18),
        }
        return [known[method] for method, _ in calls]


async def check_nonce_manager(entry: Entry) -> None:
    suite = Suite(_Node(entry["remotePending"]), Addresses(1, _ME, {"BondingManager": _ME}))
    transactor = Transactor(suite, _KEY)
    for nonce in entry["updates"]:
        transactor.reserve(nonce)
    transaction: SignedTransaction = await transactor.prepare("BondingManager", "reward", [], gas_limit=100_000)
    assert transaction.nonce == entry["next"]


# --- reading --------------------------------------------------------------------------------------


class _Failing:
    """Answers everything with one error."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked = 0

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        if method == "eth_blockNumber":
            return "0x1"
        self.asked += 1
        raise self.error

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        self.asked += 1
        if isinstance(self.error, NodeError):
            return [self.error for _ in calls]
        raise self.error


async def check_remote_call_retry(entry: Entry) -> None:
    if "maxCalls" in entry:
        policy = RetryPolicy()
        assert policy.attempts == entry["maxCalls"]
        # After the last call there is nothing to wait for.
        pauses = [1000 * policy.pause_s(failures) for failures in range(1, policy.attempts + 1)]
        assert pauses == entry["sleepMs"]
        return

    async def at_once(seconds: float) -> None:
        return

    # Texts of the reference's own connection are a failure to reach the node here; those of the node are an answer.
    by_node = entry["error"] in ("unsupported block number", "not retryable")
    error = NodeError("eth_call", -32000, entry["error"]) if by_node else ChainUnavailable(entry["error"])
    inner = _Failing(error)
    rpc = RetryingRpc(inner, sleep=at_once)
    suite = Suite(rpc, Addresses(1, _ME, {"TicketBroker": _ME}))
    # A block that the node does not have (any more): the read starts again at another one.
    pinned = entry["error"] == "unsupported block number"
    with pytest.raises(ChainUnavailable):
        await (suite.used_tickets([ZERO_HASH]) if pinned else rpc.call("eth_call", []))
    assert (inner.asked > 1) is entry["retryable"]


def check_block_sub_ranges(entry: Entry) -> None:
    assert [list(each) for each in sub_ranges(entry["from"], entry["to"], entry["size"])] == entry["ranges"]


def check_event_logs(entry: Entry) -> None:
    contract = "RoundsManager" if entry["event"] == "NewRound" else "BondingManager"
    topics = [from_hex(topic) for topic in entry["topics"]]
    event = load_abi(contract).event_by_topic(topics[0])
    assert event is not None
    assert event.name == entry["event"]
    if "signature" in entry:
        assert event.signature == entry["signature"]
    found = event.decode(topics, from_hex(entry["data"]))
    for name, value in entry["decoded"].items():
        expected = from_hex(value) if str(value).startswith("0x") else int(value)
        assert found[name] == expected, name


def check_pool_hints(entry: Entry) -> None:
    pool = [(_named(name), stake) for name, stake in entry["pool"].items()]
    size = len(pool) if entry["full"] else len(pool) + 1
    expected = tuple(_named(entry[side]) if entry[side] else ZERO_ADDRESS for side in ("posPrev", "posNext"))
    found = hint(pool, _named(entry["who"]), entry["newStake"], size)
    assert tuple(found) == expected
    assert (found == NO_HINT) is (entry["posPrev"] is entry["posNext"] is None)


def _named(name: str) -> Address:
    return Address(name.encode().rjust(20, b"\x00"))


# --- rounds and rewards ---------------------------------------------------------------------------


async def check_round_initializer(entry: Entry) -> None:
    if "l1Block" not in entry:
        start = int(entry.get("currentRoundStart") or entry["afterNewRoundStart"])
        clock = _clock(7, start=start, length=int(entry["roundLength"]))
        assert clock.start_of(8) == int(entry["nextRoundStart"])
        assert clock.current(int(entry["nextRoundStart"]) - 1) == 7
        return
    # Rounds as long as from block 0 to the next one's start.
    chain = FakeChain(round_length=int(entry["nextRoundStart"]), first_round=0)
    chain.block = BlockNumber(int(entry["l1Block"]))
    transactor = FakeTransactor(_ME, chain, lambda call: chain.initialize_round() or ())
    await RoundsService(chain, transactor, ManualClock(), lambda: 0.0).step()
    assert len(transactor.broadcasts) == entry["attempts"]


async def check_reward_service(entry: Entry) -> None:
    chain = FakeChain(first_round=entry["lastInitializedRound"])
    chain.states[_ME] = OrchestratorState(
        active=entry["active"],
        registered=True,
        last_reward_round=Round(entry["lastRewardRound"]),
        stake=1,
        pending_fees=Wei(0),
    )
    transactor = FakeTransactor(_ME, chain)
    await RewardService(chain, transactor, ManualClock()).step()
    assert bool(transactor.broadcasts) is entry["callsReward"]


def _clock(last: int, *, start: int = 0, length: int = 100) -> RoundClock:
    return RoundClock(Round(last), Hash32(b"\x07" * 32), Hash32(b"\x06" * 32), BlockNumber(start), length)


# --- watchers -------------------------------------------------------------------------------------


def _log(name: str, **args: object) -> Log:
    contract = "RoundsManager" if name == "NewRound" else "TicketBroker"
    return Log(contract, name, args, BlockNumber(1), ZERO_HASH, 0)


def _account(values: Entry) -> SenderAccount:
    info = SenderInfo(
        deposit=Wei(int(values.get("deposit", 0))),
        withdraw_round=Round(int(values.get("withdrawRound", 0))),
        reserve=Wei(int(values.get("fundsRemaining", 0))),
        claimed_in_current_round=Wei(int(values.get("claimedInCurrentRound", 0))),
    )
    return SenderAccount(info, Wei(int(values.get("claimed", 0))))


async def check_sender_watcher(entry: Entry) -> None:
    name = entry["event"]
    if name == "any, sender not cached":
        chain = FakeChain()
        cache, watcher = ChainCache(chain, _ME), BlockWatcher(chain, ManualClock(), WANTED)
        await watcher.follow(cache.handle)
        chain.mine()
        chain.add_event("TicketBroker", "DepositFunded", sender=_SENDER, amount=5)
        await watcher.follow(cache.handle)
        assert "sender_accounts" not in chain.reads
        await cache.sender(_SENDER)
        assert chain.reads.count("sender_accounts") == 1
        return
    before = _account(entry.get("before", {"deposit": "7", "fundsRemaining": "8"} if name == "Withdrawal" else {}))
    if name == "NewRound":
        after = in_new_round(before)
    else:
        args: dict[str, object] = {
            "sender": _SENDER,
            "reserveHolder": _SENDER,
            "amount": int(entry.get("amount", 0)),
            "recipient": _ME if entry.get("recipientIsSelf") else _SENDER,
            "startRound": entry.get("startRound"),
            "endRound": entry.get("endRound"),
        }
        after = after_broker_event(before, _log(name, **args), _ME)
    shown = {
        "deposit": after.info.deposit,
        "withdrawRound": after.info.withdraw_round,
        "fundsRemaining": after.info.reserve,
        "claimedInCurrentRound": after.info.claimed_in_current_round,
        "claimed": after.claimed,
    }
    for field, value in entry["after"].items():
        assert shown[field] == int(value), field


class _Counting(FakeChain):
    """Notes which rounds' hashes are asked for."""

    def __init__(self, first_round: int) -> None:
        super().__init__(first_round=first_round)
        self.hashes_read: list[int] = []

    async def block_hash_for_round(self, round_: Round) -> Hash32:
        self.hashes_read.append(round_)
        return await super().block_hash_for_round(round_)


async def check_time_watcher(entry: Entry) -> None:
    chain = _Counting(int(entry.get("from", 3)))
    cache, watcher = ChainCache(chain, _ME), BlockWatcher(chain, ManualClock(), WANTED, depth=1000)
    steps: list[Step] = []

    async def handle(step: Step) -> None:
        steps.append(step)
        await cache.handle(step)

    await watcher.follow(handle)
    before = cache.clock
    chain.hashes_read.clear()
    for _ in range(entry.get("to", 4) - entry.get("from", 3)):
        chain.mine_to_next_round()
    chain.initialize_round()
    now = chain.current_round
    chain.add_event("RoundsManager", "NewRound", round=int(now), blockHash=chain.block_hashes[now])
    await watcher.follow(handle)
    assert cache.clock.last_initialized == entry.get("to", 4)
    if entry["name"] == "removed log reloads from chain":
        chain.reorg(1)
        await watcher.follow(handle)
        assert isinstance(steps[-1], RollBack)
        state: RoundState = await chain.round_state()
        assert cache.clock == clock_of(state, before.previous_hash) == before
        return
    assert chain.hashes_read == ([entry["fetches"]] if "fetches" in entry else [])
    if "fetches" not in entry:
        event = _log("NewRound", round=int(now), blockHash=chain.block_hashes[now])
        assert after_new_round(before, event).previous_hash == before.block_hash == cache.clock.previous_hash


# --- redeemer -------------------------------------------------------------------------------------


def check_redeemer_ticket_roundtrip(entry: Entry) -> None:
    """Every field of a ticket survives the way to the redeemer. The entry's signature is no signature: it is padded."""
    winner = WinningTicket(
        Ticket(
            recipient=Address(from_hex(entry["recipient"])),
            sender=Address(from_hex(entry["sender"])),
            face_value=Wei(int(entry["faceValue"])),
            win_prob=WinProb(int(entry["winProb"])),
            sender_nonce=entry["senderNonce"],
            recipient_rand_hash=Hash32(from_hex(entry["recipientRandHash"])),
            creation_round=Round(entry["creationRound"]),
            creation_round_block_hash=Hash32(from_hex(entry["creationRoundBlockHash"])),
        ),
        Signature(from_hex(entry["sig"]).ljust(65, b"\x00")),
        int(entry["recipientRand"]),
        BlockNumber(int(entry["paramsExpirationBlock"])),
    )
    assert decode_ticket(encode_ticket(winner)) == winner


CHECKS: dict[str, Check] = {
    "orch_active": check_orch_active,
    "price_bump": check_price_bump,
    "tx_gas_price": check_tx_gas_price,
    "tx_replace": check_tx_replace,
    "gas_price_monitor": check_gas_price_monitor,
    "nonce_manager": check_nonce_manager,
    "remote_call_retry": check_remote_call_retry,
    "block_sub_ranges": check_block_sub_ranges,
    "pool_hints": check_pool_hints,
    "round_initializer": check_round_initializer,
    "reward_service": check_reward_service,
    "event_logs": check_event_logs,
    "sender_watcher": check_sender_watcher,
    "time_watcher": check_time_watcher,
    "redeemer_ticket_roundtrip": check_redeemer_ticket_roundtrip,
}

EXCLUDED: Excluded = {
    (
        "tx_replace",
        "failed replacement stops further attempts",
    ): "a replacement refused once, such as for its price, is tried again; giving up would leave the nonce stuck",
    ("gas_price_monitor", "#2"): "a price under the minimum counts as the minimum; the old, higher one does not stay",
    ("nonce_manager", "#3"): "the gap below a nonce in use is filled first, or everything above it would wait for ever",
    ("pool_hints", "#10"): "the place of a member is known whether the pool is full or not",
}
