"""The state that scenarios start from: a pool of transcoders, two delegators, tickets that win."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from eth_utils.crypto import keccak

from scripts._protocol import contract_id
from tests.contracts.gas.accounts import Account, account
from tests.contracts.gas.chain import Chain, Failed
from tests.contracts.gas.wiring import LARGE_POOL, ROUND_LENGTH, Mode, Suite, deploy
from tests.support.tickets import Signed, batch, compact_batch, make_signed

LPT = 10**18
ETH = 10**18
# What everybody owns and what the BondingManager may take: large, but finite, so that every transfer writes both.
# The supply stays so small that a reward does not change a transcoder's position.
FORTUNE = 10**4 * LPT
ALLOWANCE = 2**128
DELEGATED = 5 * LPT
REWARD_CUT = 123_456
FEE_SHARE = 456_789
FACE_VALUE = 10**16 + 7
# The larger one of the two values of v in a signature.
LAST_V = 28

Hint = tuple[str, str]
NOBODY = "0x0000000000000000000000000000000000000000"
NO_HINT: Hint = (NOBODY, NOBODY)

PLAIN = {
    "bond": "bond(uint256,address)",
    "unbond": "unbond(uint256)",
    "rebond": "rebond(uint256)",
    "rebondFromUnbonded": "rebondFromUnbonded(address,uint256)",
    "transcoder": "transcoder(uint256,uint256)",
    "reward": "reward()",
}
HINTED = {
    "bond": "bondWithHint(uint256,address,address,address,address,address)",
    "unbond": "unbondWithHint(uint256,address,address)",
    "rebond": "rebondWithHint(uint256,address,address)",
    "rebondFromUnbonded": "rebondFromUnbondedWithHint(address,uint256,address,address)",
    "transcoder": "transcoderWithHint(uint256,uint256,address,address)",
    "reward": "rewardWithHint(address,address)",
}
TICKET = "(address,address,uint256,uint256,uint256,bytes32,bytes)"
REDEEM = f"redeemWinningTicket({TICKET},bytes,uint256)"
COMPACT = "redeemWinningTicketsCompact(address,address,uint256,uint256,uint256,(uint256,uint256,bytes32,bytes32)[])"
BATCH = f"batchRedeemWinningTickets({TICKET}[],bytes[],uint256[])"


def stake_of(index: int) -> int:
    """Own stake of the pool's transcoder at that position, in LPT (1e-18)."""
    return (150 - index) * 20 * LPT


@dataclass(slots=True, kw_only=True)
class World:
    """A suite with people in it. Functions that send something return its gas."""

    suite: Suite
    label: str
    transcoders: Sequence[Account]
    nonces: list[int] = field(default_factory=lambda: [0])

    @property
    def chain(self) -> Chain:
        return self.suite.chain

    @property
    def positions(self) -> dict[str, int]:
        """Name -> position of the transcoders that scenarios look at."""
        size = len(self.transcoders)
        return {"only": 0} if size == 1 else {"first": 0, "middle": size // 2, "last": size - 1}

    @property
    def subject(self) -> int:
        """Position of the transcoder that the delegators have."""
        return len(self.transcoders) // 2

    @property
    def subject_name(self) -> str:
        return "only" if len(self.transcoders) == 1 else "middle"

    @property
    def transcoder(self) -> Account:
        return self.transcoders[self.subject]

    def neighbours(self, position: int) -> Hint:
        """The right hint for a transcoder that keeps its position."""
        above = self.transcoders[position - 1].address if position > 0 else NOBODY
        below = self.transcoders[position + 1].address if position + 1 < len(self.transcoders) else NOBODY
        return above, below

    def expect_last(self, who: Account) -> None:
        """The pool has its size, and that account at its end."""
        if self.suite.read("BondingManager", "getTranscoderPoolSize()") != len(self.transcoders):
            raise Failed("the pool has another size")
        signature, above = "getFirstTranscoderInPool()", tuple[str, ...]()
        if len(self.transcoders) > 1:
            signature, above = "getNextTranscoderInPool(address)", (self.transcoders[-2].address,)
        if self.suite.read("BondingManager", signature, *above) != int(who.address, 16):
            raise Failed("another transcoder is the last one of the pool")

    @contextlib.contextmanager
    def branch(self) -> Iterator[None]:
        """What happens inside is undone afterwards."""
        nonce = self.nonces[0]
        with self.chain.branch():
            yield
        self.nonces[0] = nonce

    # --- rounds

    @property
    def round(self) -> int:
        return self.suite.read("RoundsManager", "currentRound()")

    def initialize_round(self) -> int:
        return self.suite.send(account("anyone").address, "RoundsManager", "initializeRound()")

    def reach_next_round(self, rounds: int = 1) -> None:
        """Mine so that the next transaction is in the first block of that round, not initialized.

        Some blocks later if the hash that the round will be known by has a zero byte: those are cheaper in calldata,
        so figures would move with whatever the hash depends on.
        """
        start = self.suite.read("RoundsManager", "currentRoundStartBlock()")
        self.chain.mine(start + rounds * ROUND_LENGTH - 1 - self.chain.height())
        while 0 in self.chain.head_hash():
            self.chain.mine(1)

    def next_round(self, rounds: int = 1) -> int:
        self.reach_next_round(rounds)
        return self.initialize_round()

    # --- stake

    def act(self, who: Account, function: str, *arguments: object, hints: Sequence[Hint] | None = None) -> int:
        """Call a function of the BondingManager, in its hinted form if there are hints."""
        signature = (PLAIN if hints is None else HINTED)[function]
        places = [place for hint in hints or () for place in hint]
        return self.suite.send(who.address, "BondingManager", signature, *arguments, *places)

    def bond(self, who: Account, amount: int, to: Account, hint: Hint | None = None) -> int:
        return self.act(who, "bond", amount, to.address, hints=None if hint is None else (NO_HINT, hint))

    def set_rates(self, who: Account, hint: Hint | None = None) -> int:
        return self.act(who, "transcoder", REWARD_CUT, FEE_SHARE, hints=None if hint is None else (hint,))

    def change_rates(self, who: Account) -> int:
        return self.act(who, "transcoder", REWARD_CUT + 1, FEE_SHARE + 1)

    def reward(self, position: int, hint: Hint | None = None) -> int:
        return self.act(self.transcoders[position], "reward", hints=None if hint is None else (hint,))

    def claim(self, who: Account) -> int:
        return self.suite.send(who.address, "BondingManager", "claimEarnings(uint256)", self.round)

    def withdraw_fees(self, who: Account) -> int:
        recipient = account("existing recipient of fees").address
        return self.suite.send(who.address, "BondingManager", "withdrawFees(address,uint256)", recipient, 1000)

    def equip(self, *people: Account) -> None:
        """LPT and the allowance to bond it."""
        token, bonding = "LivepeerToken", self.suite.addresses["BondingManager"]
        with self.chain.bulk():
            for person in people:
                self.suite.send(self.suite.deployer, token, "mint(address,uint256)", person.address, FORTUNE)
                self.suite.send(person.address, token, "approve(address,uint256)", bonding, ALLOWANCE)

    def register(self, name: str, who: Account) -> None:
        """Let an account stand for a contract."""
        self.suite.send(
            self.suite.deployer,
            "Controller",
            "setContractInfo(bytes32,address,bytes20)",
            contract_id(name),
            who.address,
            bytes(20),
        )

    # --- money

    def fund(self, sender: Account, deposit: int, reserve: int) -> int:
        self.chain.give_ether(sender.address, 10**6 * ETH)
        return self.suite.send(
            sender.address,
            "TicketBroker",
            "fundDepositAndReserve(uint256,uint256)",
            deposit,
            reserve,
            value=deposit + reserve,
        )

    def ticket(self, sender: Account, face_value: int = FACE_VALUE) -> Signed:
        """A winning ticket of the current round to the subject, never the same one twice.

        Secret, commitment and signature have no zero bytes, for the reason given above, and the signature has the value
        of v that is checked last.
        """
        self.nonces[0] += 1
        current = self.round
        block_hash = self.suite.read_bytes("RoundsManager", "blockHashForRound(uint256)", current)
        for attempt in itertools.count():
            secret = keccak(text=f"secret {self.nonces[0]} {attempt}")
            signed = make_signed(
                key=sender.key,
                sender=sender.address,
                recipient=self.transcoder.address,
                creation_round=current,
                block_hash=block_hash,
                face_value_wei=face_value,
                nonce=self.nonces[0],
                recipient_rand=int.from_bytes(secret, "big"),
            )
            if signed.sig[64] == LAST_V and 0 not in secret + signed.ticket.recipient_rand_hash + signed.sig:
                break
        return signed

    def redeem(self, sender: Account, face_value: int = FACE_VALUE) -> int:
        return self.present(self.ticket(sender, face_value))

    def present(self, ticket: Signed) -> int:
        return self.suite.send(self.transcoder.address, "TicketBroker", REDEEM, *ticket.arguments())

    def present_all(self, tickets: Sequence[Signed]) -> int:
        return self._present(tickets, BATCH, *batch(list(tickets)))

    def present_compactly(self, tickets: Sequence[Signed]) -> int:
        """The same for tickets that share their terms."""
        return self._present(tickets, COMPACT, *compact_batch(list(tickets)))

    def _present(self, tickets: Sequence[Signed], signature: str, *arguments: object) -> int:
        gas = self.suite.send(self.transcoder.address, "TicketBroker", signature, *arguments)
        # A batch leaves bad tickets out in silence.
        for ticket in tickets:
            if not self.suite.read("TicketBroker", "usedTickets(bytes32)", ticket.ticket.hash()):
                raise Failed("a ticket of the batch was refused")
        return gas


def empty_world(chain: Chain, bytecode: dict[str, str], mode: Mode, label: str = "pool0") -> World:
    """Deployed; no round was initialized."""
    world = World(suite=deploy(chain, bytecode, mode), label=label, transcoders=())
    world.reach_next_round()
    return world


def populated_world(
    chain: Chain, bytecode: dict[str, str], mode: Mode, *, label: str, size: int, capacity: int = LARGE_POOL
) -> World:
    """The first block of the round after the one in which everybody bonded, initialized; nobody has called reward.

    The subject has two delegators. Its position and its neighbours' are not affected by them.
    """
    suite = deploy(chain, bytecode, mode, capacity)
    world = World(suite=suite, label=label, transcoders=[account(f"transcoder {index}") for index in range(size)])
    delegators = (account("delegator"), account("second delegator"))
    world.equip(*world.transcoders, *delegators)
    chain.give_ether(account("existing recipient of fees").address, ETH)
    world.next_round()
    with chain.bulk():
        above = NOBODY
        for index, transcoder in enumerate(world.transcoders):
            world.bond(transcoder, stake_of(index), transcoder, (above, NOBODY))
            world.set_rates(transcoder)
            above = transcoder.address
        for delegator in delegators:
            world.bond(delegator, DELEGATED, world.transcoder, world.neighbours(world.subject))
    world.next_round()
    world.expect_last(world.transcoders[-1])
    return world
