"""Invariants 3, 12 to 17 and 37 of the payments, over any history (offchain-payments 17)."""

import asyncio
import base64
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, ClassVar

import pytest
from coincurve import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from livepeer_client.codec.live_api import encode_refresh
from livepeer_client.codec.messages import Payment, PriceInfo
from livepeer_client.codec.signature import is_signed_by, public_key_to_address, sign_personal
from livepeer_client.codec.ticket import TicketParams, expected_value, is_winning
from livepeer_client.codec.wire import payment_header, segment_header
from livepeer_client.errors import TicketRejected
from livepeer_client.policy.receiving import MAX_NONCES, Draw, OpenedPayment, draw_tickets, judge_tickets
from livepeer_client.policy.recipient import derive_recipient_rand
from livepeer_client.types import MAX_WIN_PROB, Address, BlockNumber, Hash32, Round, Signature
from tests.support.payments import (
    GATEWAY,
    HEAD,
    SENDER_INFO,
    Recipient,
    even_odds_quote,
    make_payment,
    make_ticket,
    rand_of,
    sign_ticket,
    spoil,
)
from tests.support.shop import SEGMENT, Session, Shop

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
keys = st.integers(1, ORDER - 1).map(lambda number: PrivateKey(number.to_bytes(32, "big")))
digests = st.binary(min_size=32, max_size=32)


# --- 3: signatures --------------------------------------------------------------------------------


@given(keys, digests, st.integers(0, 255), st.integers(0, 64), st.integers(1, 255))
def test_is_signed_by__any_signature__holds_for_its_signer_in_its_one_form_only(
    key: PrivateKey, digest: bytes, v: int, at: int, flip: int
) -> None:
    address, sig = public_key_to_address(key.public_key), sign_personal(key, digest)
    assert is_signed_by(address, sig, digest)
    s = int.from_bytes(sig[32:64], "big")
    mirrored = sig[:32] + (ORDER - s).to_bytes(32, "big")
    # The other solution of the same equation, under either recovery id.
    assert not is_signed_by(address, mirrored + bytes((27,)), digest)
    assert not is_signed_by(address, mirrored + bytes((28,)), digest)
    assert is_signed_by(address, sig[:64] + bytes((v,)), digest) is (v == sig[64])
    assert not is_signed_by(address, sig + b"\0", digest)
    assert not is_signed_by(address, sig[:-1], digest)
    flipped = bytearray(sig)
    flipped[at] ^= flip
    assert not is_signed_by(address, bytes(flipped), digest)


# --- 12 to 16: a recipient ------------------------------------------------------------------------


class RecipientMachine(RuleBasedStateMachine):
    """Any payments on a few quotes, good and bad, against a model that knows every ticket it signed."""

    applied: ClassVar[Counter[str]] = Counter()

    @initialize()
    def open(self) -> None:
        self.quotes = [even_odds_quote(seed) for seed in (1, 2, 3)]
        self.recipient = Recipient()
        self.head = HEAD
        self.credit = Fraction(0)
        self.seen: dict[Hash32, set[int]] = {quote.recipient_rand_hash: set() for quote in self.quotes}
        self.credited: Counter[tuple[Hash32, int]] = Counter()
        self.winners: set[Hash32] = set()
        self.beyond: set[Hash32] = set()

    def _count(self, what: str) -> None:
        RecipientMachine.applied[what] += 1

    def _expect(self, quote: TicketParams, tickets: list[tuple[int, bool]]) -> None:
        """What the rules say of tickets (nonce, signed) in this order."""
        value = expected_value(quote.face_value, quote.win_prob)
        seen = self.seen[quote.recipient_rand_hash]
        all_good = True
        for nonce, signed in tickets:
            good = signed and nonce not in seen
            if good:
                sig = sign_ticket(quote, nonce).sig
                if is_winning(sig, rand_of(quote), quote.win_prob):
                    self.winners.add(make_ticket(quote, nonce).hash)
                full = len(seen) >= MAX_NONCES
                if full:
                    self.beyond.add(make_ticket(quote, nonce).hash)
                else:
                    seen.add(nonce)
                good = not full and quote.expiration_block > self.head
            all_good = all_good and good
            if all_good:
                self.credit += value
                self.credited[quote.recipient_rand_hash, nonce] += 1

    def _receive(self, payment: Payment) -> Any:
        return self.recipient.receive(payment, last_seen_l1_block=self.head)

    @rule(which=st.integers(0, 2), nonces=st.lists(st.integers(0, 30), min_size=1, max_size=5))
    def pay(self, which: int, nonces: list[int]) -> None:
        quote = self.quotes[which]
        self._expect(quote, [(nonce, True) for nonce in nonces])
        self._receive(make_payment(quote, nonces))
        self._count("pay")

    @rule(which=st.integers(0, 2), nonces=st.lists(st.integers(0, 60), min_size=2, max_size=4), bad=st.integers(0, 3))
    def pay_with_a_bad_signature(self, which: int, nonces: list[int], bad: int) -> None:
        quote, at = self.quotes[which], bad % len(nonces)
        self._expect(quote, [(nonce, index != at) for index, nonce in enumerate(nonces)])
        verdict = self._receive(spoil(make_payment(quote, nonces), at))
        assert isinstance(verdict.rejection, TicketRejected)
        self._count("bad signature")

    @rule(
        which=st.integers(0, 2),
        change=st.sampled_from(
            ("price", "recipient", "value", "probability", "block", "round", "unlocking", "inactive")
        ),
    )
    def pay_fatally(self, which: int, change: str) -> None:
        quote = self.quotes[which]
        payment = make_payment(quote, [1, 2, 3])
        before = self.recipient.state()
        changes: dict[str, Callable[[], Any]] = {
            "price": lambda: self._receive(replace(payment, expected_price=PriceInfo(1, 1))),
            "recipient": lambda: self._receive(
                replace(payment, ticket_params=replace(quote, recipient=Address(b"\x01" * 20)))
            ),
            "value": lambda: self._receive(
                replace(payment, ticket_params=replace(quote, face_value=quote.face_value + 1))
            ),
            "probability": lambda: self._receive(
                replace(payment, ticket_params=replace(quote, win_prob=quote.win_prob + 1))
            ),
            "block": lambda: self._receive(
                replace(payment, ticket_params=replace(quote, expiration_block=BlockNumber(10**6)))
            ),
            "round": lambda: self._receive(
                replace(payment, expiration=replace(quote.expiration, creation_round=Round(6)))
            ),
            "unlocking": lambda: self.recipient.receive(
                payment, sender_info=replace(SENDER_INFO, withdraw_round=Round(6)), last_seen_l1_block=self.head
            ),
            "inactive": lambda: self.recipient.receive(payment, active=False, last_seen_l1_block=self.head),
        }
        assert changes[change]().rejection is not None
        assert self.recipient.state() == before
        self._count("fatal")

    @rule(which=st.integers(0, 2))
    def use_a_quote_up(self, which: int) -> None:
        """All but a few of its nonces, elsewhere and without credit here."""
        rand_hash = self.quotes[which].recipient_rand_hash
        used = set(range(1_000, 1_000 + MAX_NONCES - 3 - len(self.seen[rand_hash])))
        self.seen[rand_hash] |= used
        self.recipient.seen.setdefault(rand_hash, set()).update(used)
        self._count("used up")

    @rule(blocks=st.integers(1, 15))
    def mine(self, blocks: int) -> None:
        self.head = BlockNumber(self.head + blocks)
        self._count("mined")

    @invariant()
    def agrees_with_the_model(self) -> None:
        if not hasattr(self, "recipient"):
            return
        assert self.recipient.credit == self.credit
        assert set(self.recipient.stored) == self.winners
        # Nonces beyond the limit are not kept, so those winners may come again: the store knows them by their hash.
        assert {hash_ for hash_, times in self.recipient.stored.items() if times > 1} <= self.beyond
        assert max(self.credited.values(), default=0) <= 1
        for quote in self.quotes:
            of_quote = [nonce for commitment, nonce in self.credited if commitment == quote.recipient_rand_hash]
            assert len(of_quote) <= MAX_NONCES
            assert self.recipient.seen.get(quote.recipient_rand_hash, set()) == self.seen[quote.recipient_rand_hash]


def test_recipient__any_history__credits_and_stores_as_the_rules_say() -> None:
    RecipientMachine.applied.clear()
    machine = RecipientMachine.TestCase
    machine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
    machine().runTest()
    assert all(RecipientMachine.applied[what] >= 20 for what in ("pay", "bad signature", "fatal", "used up", "mined"))


@given(st.integers(1, MAX_NONCES), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=8, unique=True))
def test_judge_tickets__a_quote_with_any_number_of_nonces_seen__credits_600_in_all_at_most(
    already: int, nonces: list[int]
) -> None:
    quote = even_odds_quote()
    payment = make_payment(quote, nonces)
    opened = _opened(payment)
    seen = frozenset(range(2**33, 2**33 + already))
    verdict = judge_tickets(opened, draw_tickets(opened, opened.tickets), seen=seen, last_seen_l1_block=HEAD)
    credited = verdict.credited / quote.expected_value
    assert credited == min(len(nonces), MAX_NONCES - already)
    assert already + len(verdict.nonces) <= MAX_NONCES


def _opened(payment: Payment) -> OpenedPayment:
    from livepeer_client.codec.ticket import TicketSeries

    assert payment.ticket_params is not None
    assert payment.expiration is not None
    series = TicketSeries(payment.ticket_params, GATEWAY, payment.expiration)
    return OpenedPayment(series, rand_of(payment.ticket_params), Fraction(7, 2), payment.tickets)


# --- 37: what may be known when -------------------------------------------------------------------


@given(st.integers(0, 2**256 - 1), st.integers(1, 2**32 - 1))
def test_draw__by_somebody_without_the_signature__is_not_decided_by_anything_they_know(seed: int, nonce: int) -> None:
    """The recipient knows the preimage, the ticket and its hash, and yet both outcomes are open: at even odds 64
    signatures all of one outcome come once in 2**63 tries."""
    quote = replace(even_odds_quote(), win_prob=MAX_WIN_PROB // 2)
    digest = make_ticket(quote, nonce).hash
    key = (seed % (ORDER - 65)) + 1
    outcomes = {
        is_winning(sign_personal(PrivateKey((key + at).to_bytes(32, "big")), digest), seed, quote.win_prob)
        for at in range(64)
    }
    assert outcomes == {True, False}


def test_draw__of_a_ticket_without_its_senders_signature__is_never_a_win() -> None:
    quote = even_odds_quote()
    payment = make_payment(quote, range(1, 33))
    forged = replace(payment, tickets=tuple(replace(t, sig=Signature(bytes(65))) for t in payment.tickets))
    opened = _opened(forged)
    assert set(draw_tickets(opened, opened.tickets)) == {Draw.UNSIGNED}


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


steps = st.lists(
    st.sampled_from(("quote", "pay", "pay alone", "work", "replay", "forge", "refresh", "status", "mine")),
    min_size=4,
    max_size=15,
)


def _listen(answered: Counter[str], history: list[str]) -> None:
    asyncio.run(_listened_to(answered, history))


def test_orchestrator__whatever_it_is_asked__says_nothing_of_a_quotes_preimage_before_it_has_expired() -> None:
    answered: Counter[str] = Counter()
    run = settings(max_examples=25)(given(steps)(lambda history: _listen(answered, history)))
    run()
    # Not only refusals were listened to.
    assert all(answered[what] >= 5 for what in ("quote", "pay", "pay alone", "work", "refresh"))


async def _listened_to(answered: Counter[str], history: list[str]) -> None:
    ear = _Ear()
    root = logging.getLogger("livepeer_client")
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    try:
        shop = Shop()
        session = await shop.session()
        quotes, said = [session.params], list[bytes]()
        for step in history:
            answer = await _done(step, shop, session, quotes)
            answered[step] += isinstance(answer, bytes | Fraction | TicketParams)
            said.append(repr(answer).encode())
        assert len(said) == len(history)
        said += [text.encode() for text in ear.heard]
    finally:
        root.removeHandler(ear)
        root.setLevel(level)
    for quote in quotes:
        rand = derive_recipient_rand(
            shop.payments._secret,
            seed=quote.seed,
            sender=session_sender(session),
            face_value=quote.face_value,
            win_prob=quote.win_prob,
            expiration_block=quote.expiration_block,
            price=shop.price,
            expiration=quote.expiration,
        )
        raw = rand.to_bytes(32, "big")
        # Where it is written down at all, it is in the store.
        for form in (raw, repr(raw)[2:-1].encode(), raw.hex().encode(), str(rand).encode(), base64.b64encode(raw)[:42]):
            assert not any(form in each for each in said)


def session_sender(session: Session) -> Address:
    return Address(session.payment(0).sender)


async def _done(step: str, shop: Shop, session: Session, quotes: list[TicketParams]) -> object:
    """Everything that the orchestrator answers to one step."""
    token = session.token.session_id
    match step:
        case "quote":
            _, params = await shop.payments.quote(session_sender(session), token)
            quotes.append(params)
            return params
        case "pay":
            return await _caught(shop.payments.receive(session.payment(5), token))
        case "replay":
            return await _caught(shop.payments.receive(session.payment_of([1, 2]), token))
        case "forge":
            forged = replace(session.payment_of([3]), expected_price=PriceInfo(1, 7))
            return await _caught(shop.payments.receive(forged, token))
        case "pay alone":
            credentials = session.credentials(segment=b"", profiles=(), duration_ms=0)
            return await shop.work.pay(payment_header(session.payment(2)), segment_header(credentials))
        case "work":
            with shop.work.exchange(*session.headers(tickets=3)) as exchange:
                refusal = await exchange.admit()
                return refusal or await exchange.work(SEGMENT)
        case "refresh":
            return await shop.work.refresh_payment(encode_refresh(session_sender(session), token))
        case "status":
            return shop.work.status()
        case _:
            await shop.mine(3)
            return None


async def _caught(work: Any) -> object:
    try:
        return await work
    except TicketRejected as error:
        return str(error), error.figures


@pytest.mark.parametrize("blocks_left", [-1, 0, 1, 2, 40])
def test_judge_tickets__params_about_to_expire__are_acceptable_exactly_until_their_block(blocks_left: int) -> None:
    quote = even_odds_quote()
    opened = _opened(make_payment(quote, [1]))
    head = BlockNumber(quote.expiration_block - blocks_left)
    verdict = judge_tickets(opened, draw_tickets(opened, opened.tickets), seen=frozenset(), last_seen_l1_block=head)
    assert (verdict.credited > 0) is (blocks_left > 0)
