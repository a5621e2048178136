"""A running protocol with people in it, in the EVM of this process. A test makes its own, which takes 5 ms.

Two active transcoders of 1000 LPT each, a delegator of 500 LPT at the first one, a sender with deposit and reserve of
one ETH each. The round is initialised, and nobody called reward in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from coincurve import PrivateKey
from eth_utils.crypto import keccak

from scripts._layouts import snapshot
from scripts._params import LOCAL, Params
from tests.support.artifacts import Artifact, compile_all, suite_artifacts
from tests.support.evm import NOBODY, Contract, Evm, Receipt, addresses
from tests.support.evm_suite import EvmSuite, deploy_suite
from tests.support.tickets import Signed, make_signed

LPT = 10**18
ETH = 10**18
NO_HINTS = (NOBODY,) * 4
REWARD_CUT_PPM = 100_000
FEE_SHARE_PPM = 400_000
# A pool that is full with one more transcoder, and locks that end soon.
PARAMS = LOCAL.override(num_active_transcoders=3, unbonding_period_rounds=2)

TRANSCODER, SECOND, DELEGATOR, STRANGER, NEWCOMER, RECEIVER = addresses(6)
SENDER_KEY = keccak(text="sender of tickets")


def address_of(key: bytes) -> str:
    """The account of a private key."""
    return "0x" + keccak(PrivateKey(key).public_key.format(compressed=False)[1:])[12:].hex()


SENDER = address_of(SENDER_KEY)


class Call(NamedTuple):
    """A call that was not made yet."""

    contract: Contract
    function: str
    args: tuple[object, ...]
    sender: str
    value: int = 0

    def make(self) -> Receipt:
        """The sender may be a contract.

        :raises Reverted: nothing has changed.
        """
        if self.contract.evm.engine.get_code(self.sender):
            self.contract.evm.let_call(self.sender)
        return self.contract.call(self.function, *self.args, sender=self.sender, value=self.value)


class Deployment(NamedTuple):
    """A deployment that was not made yet."""

    evm: Evm
    artifact: Artifact
    args: tuple[object, ...]

    def make(self) -> Contract:
        """:raises Reverted: the constructor refuses."""
        return self.evm.deploy(self.artifact, *self.args)


@dataclass(frozen=True, slots=True, kw_only=True)
class World(EvmSuite):
    """The suite, and the few things that every test does with it."""

    nonces: list[int] = field(default_factory=lambda: [0])

    @property
    def code(self) -> Mapping[str, Artifact]:
        """What can be deployed."""
        return suite_artifacts()

    @property
    def round(self) -> int:
        return int(self.rounds.view("currentRound"))

    def pause(self) -> None:
        self.controller.call("pause", sender=self.owner)

    def bond(self, account: str, amount: int, to: str) -> Receipt:
        """LPT is minted for it."""
        self.fund(account, lpt=amount)
        return self.bonding.call("bond", amount, to, sender=account)

    def become_transcoder(self, account: str, stake: int) -> None:
        self.bond(account, stake, account)
        self.bonding.call("transcoder", REWARD_CUT_PPM, FEE_SHARE_PPM, sender=account)

    def fund_sender(self, deposit: int, reserve: int, account: str = SENDER) -> Receipt:
        self.evm.give(account, deposit + reserve)
        return self.broker.call("fundDepositAndReserve", deposit, reserve, sender=account, value=deposit + reserve)

    def ticket(self, **changes: Any) -> Signed:
        """A winning ticket of the current round from the sender to the first transcoder, never the same one twice."""
        self.nonces[0] += 1
        creation_round = changes.pop("creation_round", self.round)
        values: dict[str, Any] = {
            "key": SENDER_KEY,
            "sender": SENDER,
            "recipient": TRANSCODER,
            "creation_round": creation_round,
            "block_hash": self.rounds.view("blockHashForRound", creation_round),
            "nonce": self.nonces[0],
        }
        return make_signed(**{**values, **changes})

    def redeem(self, signed: Signed, by: str = STRANGER) -> Receipt:
        return self.broker.call("redeemWinningTicket", *signed.arguments(), sender=by)

    def earn_fee(self, face_value_wei: int = ETH // 1000, recipient: str = TRANSCODER) -> Receipt:
        """A ticket that wins and is redeemed."""
        return self.redeem(self.ticket(face_value_wei=face_value_wei, recipient=recipient))

    def deploy(self, mock: str, *args: object) -> Contract:
        """One of the contracts in `contracts/mocks`."""
        return self.evm.deploy(compile_all([f"mocks/{mock}"])[mock], *args)

    def poke(self, contract: str, variable: str, key: str | None, change: Callable[[int], int]) -> None:
        """Change a word in storage that no call could change so.

        :param contract: name of a contract behind a proxy.
        :param variable: as in the storage layout, such as `stakeholders._stakes`.
        :param key: of a mapping from accounts.
        """
        layout: Any = json.loads(snapshot(contract).read_text())
        for part in variable.split("."):
            layout = layout[part]
        slot = int(layout["slot"])
        if key is not None:
            slot = int.from_bytes(keccak(slot.to_bytes(32, "big") + bytes(12) + bytes.fromhex(key[2:])), "big")
        address = self.contracts()[contract].address
        self.evm.engine.insert_account_storage(address, slot, change(int(self.evm.engine.storage(address, slot))))

    def with_lock(self) -> None:
        """The delegator starts to unbond 10 LPT: its lock 0."""
        self.bonding.call("unbond", 10 * LPT, sender=DELEGATOR)

    def after_lock(self) -> None:
        """The delegator's lock 0 can be withdrawn."""
        self.with_lock()
        self.next_round(self.params.unbonding_period_rounds)

    def unlocked(self) -> None:
        """The sender may withdraw."""
        self.broker.call("unlock", sender=SENDER)
        self.next_round(self.params.unlock_period_rounds)


def make_world(params: Params = PARAMS, *, artifacts: Mapping[str, Artifact] | None = None) -> World:
    """:param artifacts: other code than the compiled sources."""
    suite = deploy_suite(params, artifacts=dict(artifacts) if artifacts is not None else None)
    world = World(**{each.name: getattr(suite, each.name) for each in fields(suite)})
    world.start()
    world.become_transcoder(TRANSCODER, 1000 * LPT)
    world.become_transcoder(SECOND, 1000 * LPT)
    world.bond(DELEGATOR, 500 * LPT, TRANSCODER)
    world.fund_sender(ETH, ETH)
    # Far enough for a ticket of the first round to have expired.
    world.next_round()
    world.next_round()
    return world
