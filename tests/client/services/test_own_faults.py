"""What is our own fault is said to our caller, and no orchestrator pays for it."""

from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.errors import (
    BadResult,
    Bug,
    InvalidInput,
    LivepeerError,
    LocalProtocolError,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
    PriceUnavailable,
)
from livepeer_client.policy.sender import AccountShort, DepositShort
from livepeer_client.policy.streaming import OwnLimitReached, SpendLimit
from livepeer_client.policy.workloads import LIVE, TABLES, Cause, Hold, OutOfResources, Step, Table, cause_of
from livepeer_client.services.dispatch import DispatchRules, Swapped
from livepeer_client.services.own_signer import SignerFailed
from livepeer_client.types import Hash32, Signature, Wei
from tests.support.market import FACE_VALUE, PROFILES, Market, send

QUIET = DispatchRules(warm_standby=False, explore=0)
OURS = [
    AccountShort("no sender deposit"),
    SignerFailed(PeerTimeout("signer", "late")),
    OutOfResources("EMFILE"),
    PriceUnavailable("no feed"),
    InvalidInput("the transport is closed"),
    LocalProtocolError("one ticket, no signature"),
    Bug("no move"),
]


class RemoteSigner:
    """A signer at the other end of a wire, which may break."""

    def __init__(self, signer: LocalSigner) -> None:
        self._signer = signer
        self.fails: LivepeerError | None = None
        self.address = signer.address

    async def sign(self, digest: Hash32) -> Signature:
        if self.fails is not None:
            raise self.fails
        return await self._signer.sign(digest)

    def __getattr__(self, name: str) -> object:
        return getattr(self._signer, name)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("error", OURS, ids=lambda error: type(error).__name__)
def test_cause_of__our_own_fault__gives_up_and_suspends_nobody_in_any_workload(
    error: LivepeerError, table: Table
) -> None:
    reaction = table.reaction(cause_of(error))
    assert (reaction.then, reaction.hold) == (Step.GIVE_UP, Hold.NONE)
    assert table.is_ours(cause_of(error))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_cause_of__our_deposit_is_short_for_its_tickets__goes_to_another_and_suspends_nobody(table: Table) -> None:
    reaction = table.reaction(cause_of(DepositShort("ticket faceValue > max faceValue")))
    assert (reaction.then, reaction.hold) == (Step.SWAP, Hold.NONE)


def test_spend_limit__the_owners_own__is_told_from_one_that_the_orchestrator_drives_us_over() -> None:
    limit = SpendLimit(Fraction(1), 10, max_total=Fraction(20))
    with pytest.raises(OwnLimitReached) as own:
        limit.check(Fraction(21), 100, Fraction(1))
    reaction = LIVE.reaction(cause_of(own.value))
    assert (reaction.then, reaction.hold) == (Step.SWAP, Hold.NONE)
    with pytest.raises(LivepeerError) as its:
        limit.check(Fraction(21), 0, Fraction(1))
    assert LIVE.reaction(cause_of(its.value)).hold is Hold.LONG


@pytest.mark.parametrize(
    "fault",
    [PeerUnreachable("signer", "reset"), PeerRefused("signer", 500, "locked"), BadResult("signature", "ours", "none")],
    ids=lambda fault: type(fault).__name__,
)
async def test_submit__remote_signer_fails__is_said_and_nobody_is_suspended_or_swapped(fault: LivepeerError) -> None:
    market = await Market("ada", "bob").open()
    signer = RemoteSigner(market.signer)
    market.signer = signer  # type: ignore[assignment]
    dispatcher = market.dispatcher(QUIET)
    stream = dispatcher.stream(PROFILES, "manifest", market.events.append)
    assert await send(stream, 0) == ["ada"]
    signer.fails = fault
    with pytest.raises(SignerFailed) as failed:
        await send(stream, 1)
    assert failed.value.cause is fault
    assert (dispatcher.suspensions, market.happened(Swapped)) == ({}, [])
    signer.fails = None
    assert await send(stream, 2) == ["ada"]


async def test_submit__account_is_emptied_after_it_was_looked_at__is_said_and_nobody_is_suspended() -> None:
    market = await Market("ada", "bob").open()
    dispatcher = market.dispatcher(QUIET)
    stream = dispatcher.stream(PROFILES, "manifest", market.events.append)
    look = dispatcher.payer.check_funds

    async def look_then_lose() -> None:
        await look()
        market.chain.senders.clear()

    dispatcher.payer.check_funds = look_then_lose  # type: ignore[method-assign]
    with pytest.raises(AccountShort):
        await send(stream, 0)
    assert (dispatcher.suspensions, market.happened(Swapped), market["ada"].received) == ({}, [], [])


async def test_submit__deposit_is_short_for_the_tickets_of_all__says_so_and_suspends_nobody() -> None:
    market = await Market("ada", "bob").open()
    account = market.chain.senders[market.signer.address]
    market.chain.senders[market.signer.address] = replace(account, deposit=Wei(FACE_VALUE - 1))
    dispatcher = market.dispatcher(QUIET)
    stream = dispatcher.stream(PROFILES, "manifest", market.events.append)
    with pytest.raises(LivepeerError) as nobody:
        await send(stream, 0)
    assert "max faceValue" in str(nobody.value)
    assert dispatcher.suspensions == {}
    assert {swap.code for swap in market.happened(Swapped) if isinstance(swap, Swapped)} == {Cause.SENDER_RESERVE}
    # Enough again, and all are there at once.
    market.chain.senders[market.signer.address] = account
    await dispatcher.explain(PROFILES)
    assert await send(dispatcher.stream(PROFILES, "next"), 0) == ["ada"]


async def test_submit__this_machine_has_no_file_left__is_said_and_nobody_is_suspended() -> None:
    market = await Market("ada", "bob").open()
    dispatcher = market.dispatcher(QUIET)
    market["ada"].fail = OutOfResources("https://ada was not reached: EMFILE")
    with pytest.raises(OutOfResources):
        await send(dispatcher.stream(PROFILES, "manifest", market.events.append), 0)
    assert (dispatcher.suspensions, market.happened(Swapped)) == ({}, [])
