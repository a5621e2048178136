"""A gateway and an orchestrator on paper: keys, quotes, signed payments for client tests."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from fractions import Fraction

from coincurve import PrivateKey

from livepeer_client.codec.messages import NonceAndSig, Payment, PriceInfo
from livepeer_client.codec.signature import public_key_to_address, sign_personal
from livepeer_client.codec.ticket import ExpirationParams, Ticket, TicketParams, is_winning
from livepeer_client.facts import SenderInfo
from livepeer_client.policy.receiving import PaymentVerdict, judge_payment
from livepeer_client.policy.recipient import RecipientConfig, derive_recipient_rand, quote
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Wei, WinProb

GATEWAY_KEY = PrivateKey(b"\x11" * 32)
GATEWAY = public_key_to_address(GATEWAY_KEY.public_key)
OTHER_KEY = PrivateKey(b"\x22" * 32)
ORCHESTRATOR = Address(b"\xab" * 20)
SECRET = b"\x33" * 32
SEED = 0x5EED
EXPIRATION = ExpirationParams(Round(5), Hash32(b"\x77" * 32))
PRICE = PriceInfo(7, 2)
HEAD = BlockNumber(1_000)
SENDER_INFO = SenderInfo(Wei(10**18), Round(0), Wei(10**18), Wei(0))


def make_sender_info(*, deposit: int = 0, reserve: int = 0, claimed: int = 0, withdraw_round: int = 0) -> SenderInfo:
    return SenderInfo(Wei(deposit), Round(withdraw_round), Wei(reserve), Wei(claimed))


def make_config(
    *, ev: int = 5, redeem_gas: int = 10_000, max_face_value: int = 0, address: Address = ORCHESTRATOR
) -> RecipientConfig:
    return RecipientConfig(address=address, ev=Wei(ev), redeem_gas=redeem_gas, max_face_value=Wei(max_face_value))


def make_params(face_value: int, win_prob: int, expiration_block: int = 1_000_000) -> TicketParams:
    """A quote of somebody else, of whatever figures."""
    return TicketParams(
        recipient=ORCHESTRATOR,
        face_value=Wei(face_value),
        win_prob=WinProb(win_prob),
        recipient_rand_hash=Hash32(b"\x01" * 32),
        seed=1,
        expiration_block=BlockNumber(expiration_block),
        expiration=EXPIRATION,
    )


def make_quote(
    *,
    config: RecipientConfig | None = None,
    secret: bytes = SECRET,
    seed: int = SEED,
    sender: Address = GATEWAY,
    price: Fraction = PRICE.wei_per_pixel,
    gas_price: int = 100,
    max_float: int = 10**10,
    last_seen_l1_block: int = HEAD,
    expiration: ExpirationParams = EXPIRATION,
) -> TicketParams:
    return quote(
        config or make_config(),
        secret=secret,
        seed=seed,
        sender=sender,
        price=price,
        gas_price=Wei(gas_price),
        max_float=max_float,
        last_seen_l1_block=BlockNumber(last_seen_l1_block),
        expiration=expiration,
    )


def make_ticket(params: TicketParams, nonce: int, sender: Address = GATEWAY) -> Ticket:
    return Ticket(
        recipient=params.recipient,
        sender=sender,
        face_value=params.face_value,
        win_prob=params.win_prob,
        sender_nonce=nonce,
        recipient_rand_hash=params.recipient_rand_hash,
        creation_round=params.expiration.creation_round,
        creation_round_block_hash=params.expiration.creation_round_block_hash,
    )


def sign_ticket(params: TicketParams, nonce: int, key: PrivateKey = GATEWAY_KEY) -> NonceAndSig:
    """A ticket in the gateway's name, by default with its key."""
    return NonceAndSig(nonce, sign_personal(key, make_ticket(params, nonce).hash))


def make_payment(
    params: TicketParams, nonces: Iterable[int] = (1,), *, key: PrivateKey = GATEWAY_KEY, price: PriceInfo = PRICE
) -> Payment:
    return Payment(
        ticket_params=params,
        sender=GATEWAY,
        expiration=params.expiration,
        tickets=tuple(sign_ticket(params, nonce, key) for nonce in nonces),
        expected_price=price,
    )


def spoil(payment: Payment, index: int) -> Payment:
    """The same payment, its ticket `index` signed by somebody else."""
    assert payment.ticket_params is not None
    tickets = list(payment.tickets)
    tickets[index] = sign_ticket(payment.ticket_params, tickets[index].sender_nonce, OTHER_KEY)
    return replace(payment, tickets=tuple(tickets))


def rand_of(params: TicketParams, price: PriceInfo = PRICE) -> int:
    """The secret number behind a quote of `make_quote`."""
    return derive_recipient_rand(
        SECRET,
        seed=params.seed,
        sender=GATEWAY,
        face_value=params.face_value,
        win_prob=params.win_prob,
        expiration_block=params.expiration_block,
        price=price.wei_per_pixel,
        expiration=params.expiration,
    )


def nonces_that(params: TicketParams, *, win: bool, count: int = 1) -> list[int]:
    """The first `count` nonces whose tickets win, or lose."""
    rand = rand_of(params)
    found: list[int] = []
    nonce = 0
    while len(found) < count:
        nonce += 1
        if is_winning(sign_ticket(params, nonce).sig, rand, params.win_prob) is win:
            found.append(nonce)
    return found


def even_odds_quote(seed: int = SEED) -> TicketParams:
    """A quote under which five tickets in eight win: expected value 5 wei, face value 8."""
    return make_quote(seed=seed, gas_price=0, max_float=8)


@dataclass
class Recipient:
    """An orchestrator that applies verdicts as a service would: nonces first, then credit and winners."""

    config: RecipientConfig = field(default_factory=make_config)
    seen: dict[Hash32, set[int]] = field(default_factory=dict)
    credit: Fraction = Fraction(0)
    stored: dict[Hash32, int] = field(default_factory=dict)

    def state(self) -> tuple[Mapping[Hash32, Set[int]], Fraction, Mapping[Hash32, int]]:
        return {rand: set(nonces) for rand, nonces in self.seen.items()}, self.credit, dict(self.stored)

    def receive(
        self,
        payment: Payment,
        *,
        sender_info: SenderInfo = SENDER_INFO,
        active: bool = True,
        last_initialized_round: int = 5,
        last_seen_l1_block: int = HEAD,
    ) -> PaymentVerdict:
        verdict = judge_payment(
            self.config,
            payment,
            secret=SECRET,
            sender_info=sender_info,
            active=active,
            last_initialized_round=Round(last_initialized_round),
            last_seen_l1_block=BlockNumber(last_seen_l1_block),
            seen=self.seen,
        )
        if verdict.nonces:
            assert payment.ticket_params is not None
            self.seen.setdefault(payment.ticket_params.recipient_rand_hash, set()).update(verdict.nonces)
        self.credit += verdict.credited
        for winner in verdict.winners:
            self.stored[winner.ticket.hash] = self.stored.get(winner.ticket.hash, 0) + 1
        return verdict
