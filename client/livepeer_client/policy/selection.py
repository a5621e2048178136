"""Which of several usable orchestrators gets the work: filter, weigh, draw (offchain-network 3.2, 3.3).

Those already worked with go first, by how fast they were; among strangers a lottery decides. Chance is an argument.
The result lists every candidate with its verdict, so that a choice can be explained afterwards. It knows nothing of
segments: batch jobs and live sessions are chosen for by the same rules, `how` apart.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction
from typing import Final

from livepeer_client.errors import InvalidInput
from livepeer_client.policy.discovery import Offer, Rejection, RejectReason, Suspensions, suspension
from livepeer_client.policy.price import shown
from livepeer_client.policy.price_list import Model
from livepeer_client.policy.sessions import GOOD_LATENCY_SCORE as GOOD_LATENCY_SCORE
from livepeer_client.policy.sessions import latency_score as latency_score
from livepeer_client.policy.trust import FULL_TRUST, Pool, Trusts, trust_of
from livepeer_client.types import Address

_WEIGHTS_TOLERANCE: Final = 1e-4
COLD: Final = "would load the model first, and others have it loaded"


class How(Enum):
    """How one of several eligible offers is chosen."""

    LOTTERY = "known ones by latency score, strangers by lottery"
    NEAREST = "the lowest latency of the probe, no lottery"
    """For live sessions (offchain-network 3.3)."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Shares of stake, price and pure chance in the lottery; they sum to 1. Defaults: offchain-network 3.3.

    `price_scale` is the F of exp(-price / F), wei per pixel.
    """

    stake: float = 0.7
    price: float = 0.0
    random: float = 0.3
    price_scale: float = 100.0

    def __post_init__(self) -> None:
        parts = (self.stake, self.price, self.random)
        if min(parts) < 0 or abs(sum(parts) - 1) > _WEIGHTS_TOLERANCE or self.price_scale <= 0:
            raise InvalidInput(f"selection weights {parts} must sum to 1 and the price scale be positive")


class Verdict(Enum):
    CHOSEN = "chosen"
    ELIGIBLE = "eligible"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Shares:
    """What an offer's share in the lottery is made of, each in [0, 1] among all strangers before weighing.

    `trust` is the factor by which trust raises the weighted sum.
    """

    stake: float
    price: float
    random: float
    trust: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One line of the explanation. `price` wei per pixel and `latency_s` are None without an answer; `stake` LPT wei.

    `probability` is the share in the lottery and `shares` what it is made of, None if there was none for this
    candidate. `rejection` is the typed reason, None if it was not rejected; `reason` is for people. `trust` in [0, 1];
    `performance` None without a score.
    """

    uri: str
    address: Address
    price: Fraction | None
    latency_s: float | None
    stake: int
    verdict: Verdict
    reason: str
    probability: float | None = None
    shares: Shares | None = None
    rejection: Rejection | None = None
    pool: Pool | None = None
    trust: float = 0.0
    latency_score: float | None = None
    performance: float | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """`chosen` is None if nobody qualifies; `candidates` explains everybody, the largest stake first.

    `last_resort`: the one chosen is suspended, but nobody else is left. `explored`: it is a stranger although somebody
    known would have done.
    """

    chosen: Offer | None
    candidates: tuple[Candidate, ...]
    last_resort: bool = False
    explored: bool = False


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a choice depends on besides the offers.

    `ceiling`: highest price, wei per pixel, None = any; with `ceiling_yields` it does not count if nobody is within it.
    `latency_scores`: of those already worked with. `tried`: those that failed on the work at hand; `in_use`: those
    that have it already. `now_s`: on the clock of `suspensions`. `pool`: only of this one. `performance`: scores of
    an outside measurement, of which `min_performance` is wanted unless nobody has it. `explore`: a stranger is wanted.
    `warm`: those who have this model loaded go before those who would load it first (offchain-network 3.4).
    """

    now_s: float
    ceiling: Fraction | None = None
    ceiling_yields: bool = False
    weights: Weights = field(default_factory=Weights)
    suspensions: Suspensions = field(default_factory=dict)
    latency_scores: Mapping[Address, float] = field(default_factory=dict)
    tried: Collection[Address] = ()
    in_use: Collection[Address] = ()
    blocked: Collection[Address] = ()
    how: How = How.LOTTERY
    pool: Pool | None = None
    trusts: Trusts = field(default_factory=dict)
    trusted_from: float = FULL_TRUST
    performance: Mapping[Address, float] = field(default_factory=dict)
    min_performance: float | None = None
    explore: bool = False
    warm: Model | None = None


def select(offers: Sequence[Offer], rejections: Sequence[Rejection], criteria: Criteria, draw: float) -> Selection:
    """Choose one of `offers`; `draw` in [0, 1) decides the lottery.

    Suspended ones are the last resort, the one whose suspension ends first, unless barred (offchain-network 1.3) or out
    at its own wish.
    """
    if not 0 <= draw < 1:
        raise InvalidInput(f"a draw lies in [0, 1), got {draw}")
    criteria = _with_attainable_performance(offers, criteria)
    refused = [(offer, _refusal(offer, criteria)) for offer in offers]
    eligible = [offer for offer, rejection in refused if rejection is None]
    if criteria.ceiling_yields and criteria.ceiling is not None and not eligible:
        return select(offers, rejections, replace(criteria, ceiling=None), draw)
    scores = criteria.latency_scores
    cold = [offer for offer in eligible if not _is_warm(offer, criteria.warm)]
    if len(cold) < len(eligible):
        eligible = [offer for offer in eligible if offer not in cold]
    else:
        cold = []
    known = sorted(
        (offer for offer in eligible if offer.member.address in scores), key=lambda o: scores[o.member.address]
    )
    unknown = [offer for offer in eligible if offer.member.address not in scores]
    lottery = _lottery(unknown, criteria) if criteria.how is How.LOTTERY else []

    chosen: Offer | None
    spare: Offer | None = None
    good = bool(known) and scores[known[0].member.address] <= GOOD_LATENCY_SCORE
    if criteria.how is How.NEAREST and eligible:
        chosen = min(eligible, key=lambda offer: offer.latency_s)
        why = f"nearest, {chosen.latency_s * 1000:.0f} ms"
    elif known and (not unknown or (good and not criteria.explore)):
        chosen, why = known[0], f"fastest of those known, latency score {scores[known[0].member.address]:.2f}"
    elif unknown:
        chosen, why = unknown[_drawn([share for share, _ in lottery], draw)], f"drawn at {draw:.3f}"
        why += ", to explore" if good else ""
    else:
        spare = _last_resort(offers, criteria)
        chosen = spare
        why = "" if spare is None else f"last resort, nobody else is left; suspended: {_cause(spare, criteria)}"

    shares = {id(offer): share for offer, share in zip(unknown, lottery, strict=criteria.how is How.LOTTERY)}
    table = [
        _explain(
            offer,
            rejection,
            why if offer is chosen else COLD if offer in cold else None,
            shares.get(id(offer)),
            criteria,
            chosen=offer is chosen,
        )
        for offer, rejection in refused
    ]
    table += [_rejected(rejection, criteria) for rejection in rejections]
    ordered = sorted(table, key=lambda line: (-line.stake, line.address))
    return Selection(chosen, tuple(ordered), spare is not None, explored=good and chosen in unknown)


def _is_warm(offer: Offer, model: Model | None) -> bool:
    if model is None or offer.info.capabilities is None:
        return model is None
    constraint = offer.info.capabilities.constraints.get(model[0], {}).get(model[1])
    return constraint is not None and constraint.warm


def _with_attainable_performance(offers: Sequence[Offer], criteria: Criteria) -> Criteria:
    """Without the minimum where nobody attains it: better slow than not at all (offchain-network 3.3)."""
    least = criteria.min_performance
    if least is None or any(criteria.performance.get(offer.member.address, 0.0) >= least for offer in offers):
        return criteria
    return replace(criteria, min_performance=None)


def _refusal(offer: Offer, criteria: Criteria) -> Rejection | None:
    member = offer.member
    if member.address in criteria.blocked:
        return Rejection(member, RejectReason.BLOCKED)
    if member.address in criteria.tried:
        return Rejection(member, RejectReason.ALREADY_TRIED)
    if member.address in criteria.in_use:
        return Rejection(member, RejectReason.IN_USE)
    trust = trust_of(criteria.trusts, member.address)
    if criteria.pool is not None and trust.pool(criteria.trusted_from) is not criteria.pool:
        figures: dict[str, object] = {"trust": f"{trust.score:.2f}", "wanted": criteria.pool.value}
        return Rejection(member, RejectReason.OTHER_POOL, figures)
    least = criteria.min_performance
    if least is not None and criteria.performance.get(member.address, 0.0) < least:
        measured = criteria.performance.get(member.address)
        figures = {"measured": "nothing" if measured is None else f"{measured:.2f}", "minimum": f"{least:.2f}"}
        return Rejection(member, RejectReason.POOR_PERFORMANCE, figures)
    if criteria.ceiling is not None and offer.price > criteria.ceiling:
        figures = {"price": _wei(offer.price), "ceiling": _wei(criteria.ceiling)}
        return Rejection(member, RejectReason.TOO_DEAR, figures)
    held = suspension(criteria.suspensions, member.address, criteria.now_s)
    if held is not None:
        left = f"{held.until_s - criteria.now_s:.0f} s"
        return Rejection(member, RejectReason.SUSPENDED, {"for": left, "cause": held.cause})
    return None


def _last_resort(offers: Sequence[Offer], criteria: Criteria) -> Offer | None:
    def ends(offer: Offer) -> float | None:
        rejection = _refusal(offer, criteria)
        if rejection is None or rejection.reason is not RejectReason.SUSPENDED:
            return None
        held = criteria.suspensions[offer.member.address]
        return None if held.barred or held.asked else held.until_s

    waiting = [(end, offer) for offer in offers if (end := ends(offer)) is not None]
    return min(waiting, key=lambda pair: pair[0])[1] if waiting else None


def _cause(offer: Offer, criteria: Criteria) -> str:
    return criteria.suspensions[offer.member.address].cause


def _lottery(offers: Sequence[Offer], criteria: Criteria) -> list[tuple[float, Shares]]:
    """Each one's share, w_s stake/sum + w_p exp(-price/F)/sum + w_r/n, raised by its trust, and what it is made of.

    Trust doubles the share of somebody fully trusted against somebody not trusted at all; where all are trusted alike
    it changes nothing, which is the network's lottery.
    """
    if not offers:
        return []
    weights = criteria.weights
    stakes = _shares(offers, lambda offer: offer.member.stake)
    # Relative to the cheapest, which changes no share but keeps exp() from vanishing for all at once.
    cheapest = min(offer.price for offer in offers)
    prices = _shares(offers, lambda offer: math.exp(-float(offer.price - cheapest) / weights.price_scale))
    parts = [
        Shares(stake, price, 1 / len(offers), 1 + trust_of(criteria.trusts, offer.member.address).score)
        for offer, stake, price in zip(offers, stakes, prices, strict=True)
    ]
    sums = [
        part.trust * (weights.stake * part.stake + weights.price * part.price + weights.random * part.random)
        for part in parts
    ]
    if len({part.trust for part in parts}) == 1:
        # As the network has it, to the last bit.
        return [(each / part.trust, part) for each, part in zip(sums, parts, strict=True)]
    return [(each / sum(sums), part) for each, part in zip(sums, parts, strict=True)]


def _shares(offers: Sequence[Offer], size: Callable[[Offer], float]) -> list[float]:
    sizes = [size(offer) for offer in offers]
    total = sum(sizes)
    return [each / total if total else 1 / len(offers) for each in sizes]


def _drawn(lottery: Sequence[float], draw: float) -> int:
    reached = 0.0
    for index, share in enumerate(lottery):
        reached += share
        if draw < reached:
            return index
    # Rounding may leave the sum just under 1.
    return len(lottery) - 1


def _explain(
    offer: Offer,
    rejection: Rejection | None,
    why: str | None,
    share: tuple[float, Shares] | None,
    criteria: Criteria,
    *,
    chosen: bool,
) -> Candidate:
    address = offer.member.address
    if why is not None:
        verdict, reason = Verdict.CHOSEN if chosen else Verdict.ELIGIBLE, why
    elif rejection is not None:
        verdict, reason = Verdict.REJECTED, rejection.text
    elif address in criteria.latency_scores:
        verdict, reason = Verdict.ELIGIBLE, f"known, latency score {criteria.latency_scores[address]:.2f}"
    else:
        verdict, reason = Verdict.ELIGIBLE, "not drawn"
    trust = trust_of(criteria.trusts, address)
    return Candidate(
        uri=offer.member.service_uri,
        address=address,
        price=offer.price,
        latency_s=offer.latency_s,
        stake=offer.member.stake,
        verdict=verdict,
        reason=reason,
        probability=None if share is None else share[0],
        shares=None if share is None else share[1],
        rejection=rejection,
        pool=trust.pool(criteria.trusted_from),
        trust=trust.score,
        latency_score=criteria.latency_scores.get(address),
        performance=criteria.performance.get(address),
    )


def _rejected(rejection: Rejection, criteria: Criteria) -> Candidate:
    member = rejection.member
    trust = trust_of(criteria.trusts, member.address)
    return Candidate(
        uri=member.service_uri,
        address=member.address,
        price=None,
        latency_s=None,
        stake=member.stake,
        verdict=Verdict.REJECTED,
        reason=rejection.text,
        rejection=rejection,
        pool=trust.pool(criteria.trusted_from),
        trust=trust.score,
        latency_score=criteria.latency_scores.get(member.address),
        performance=criteria.performance.get(member.address),
    )


def _wei(price: Fraction) -> str:
    return f"{shown(price)} wei/pixel"
