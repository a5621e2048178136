"""Which of several usable orchestrators gets the work: filter, weigh, draw (offchain-network 3.2, 3.3).

Those already worked with go first, by how fast they were; among strangers a lottery decides. Chance is an argument.
The result lists every candidate with its verdict, so that a choice can be explained afterwards.
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
from livepeer_client.types import Address

GOOD_LATENCY_SCORE: Final = 1.0
"""Up to here an orchestrator keeps up with real time and is used again (offchain-network 3.2)."""
MIN_SCORED_SEGMENT_S: Final = 1.5
_WEIGHTS_TOLERANCE: Final = 1e-4


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
class Candidate:
    """One line of the explanation. `price` wei per pixel and `latency_s` are None without an answer; `stake` LPT wei.

    `probability` is the share in the lottery, None if there was none for this candidate.
    """

    uri: str
    address: Address
    price: Fraction | None
    latency_s: float | None
    stake: int
    verdict: Verdict
    reason: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """`chosen` is None if nobody qualifies; `candidates` explains everybody, the largest stake first.

    `last_resort`: the one chosen is suspended, but nobody else is left.
    """

    chosen: Offer | None
    candidates: tuple[Candidate, ...]
    last_resort: bool = False


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a choice depends on besides the offers.

    `ceiling`: highest price, wei per pixel, None = any; with `ceiling_yields` it does not count if nobody is within it.
    `latency_scores`: of those already worked with. `tried`: those
    that failed on the work at hand. `now_s`: on the clock of `suspensions`.
    """

    now_s: float
    ceiling: Fraction | None = None
    ceiling_yields: bool = False
    weights: Weights = field(default_factory=Weights)
    suspensions: Suspensions = field(default_factory=dict)
    latency_scores: Mapping[Address, float] = field(default_factory=dict)
    tried: Collection[Address] = ()


def latency_score(took_s: float, duration_s: float) -> float:
    """Seconds from sending a segment to its checked result, per second of video (offchain-network 3.2)."""
    return took_s / max(MIN_SCORED_SEGMENT_S, duration_s)


def select(offers: Sequence[Offer], rejections: Sequence[Rejection], criteria: Criteria, draw: float) -> Selection:
    """Choose one of `offers`; `draw` in [0, 1) decides the lottery.

    Suspended ones are the last resort, the one whose suspension ends first, unless barred (offchain-network 1.3).
    """
    if not 0 <= draw < 1:
        raise InvalidInput(f"a draw lies in [0, 1), got {draw}")
    refused = [(offer, _refusal(offer, criteria)) for offer in offers]
    eligible = [offer for offer, rejection in refused if rejection is None]
    if criteria.ceiling_yields and criteria.ceiling is not None and not eligible:
        return select(offers, rejections, replace(criteria, ceiling=None), draw)
    scores = criteria.latency_scores
    known = sorted(
        (offer for offer in eligible if offer.member.address in scores), key=lambda o: scores[o.member.address]
    )
    unknown = [offer for offer in eligible if offer.member.address not in scores]
    lottery = _lottery(unknown, criteria.weights)

    chosen: Offer | None
    spare: Offer | None = None
    if known and (not unknown or scores[known[0].member.address] <= GOOD_LATENCY_SCORE):
        chosen, why = known[0], f"fastest of those known, latency score {scores[known[0].member.address]:.2f}"
    elif unknown:
        chosen, why = unknown[_drawn(lottery, draw)], f"drawn at {draw:.3f}"
    else:
        spare = _last_resort(offers, criteria)
        chosen = spare
        why = "" if spare is None else f"last resort, nobody else is left; suspended: {_cause(spare, criteria)}"

    shares = {offer.member.address: share for offer, share in zip(unknown, lottery, strict=True)}
    table = [_explain(offer, rejection, chosen, why, shares, criteria) for offer, rejection in refused]
    table += [_rejected(rejection) for rejection in rejections]
    ordered = sorted(table, key=lambda line: (-line.stake, line.address))
    return Selection(chosen, tuple(ordered), last_resort=spare is not None)


def _refusal(offer: Offer, criteria: Criteria) -> Rejection | None:
    member = offer.member
    if member.address in criteria.tried:
        return Rejection(member, RejectReason.ALREADY_TRIED)
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
        return None if held.barred else held.until_s

    waiting = [(end, offer) for offer in offers if (end := ends(offer)) is not None]
    return min(waiting, key=lambda pair: pair[0])[1] if waiting else None


def _cause(offer: Offer, criteria: Criteria) -> str:
    return criteria.suspensions[offer.member.address].cause


def _lottery(offers: Sequence[Offer], weights: Weights) -> list[float]:
    """Each one's share: w_s stake/sum + w_p exp(-price/F)/sum + w_r/n."""
    if not offers:
        return []
    stakes = _shares(offers, lambda offer: offer.member.stake)
    # Relative to the cheapest, which changes no share but keeps exp() from vanishing for all at once.
    cheapest = min(offer.price for offer in offers)
    prices = _shares(offers, lambda offer: math.exp(-float(offer.price - cheapest) / weights.price_scale))
    return [
        weights.stake * stake + weights.price * price + weights.random / len(offers)
        for stake, price in zip(stakes, prices, strict=True)
    ]


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
    chosen: Offer | None,
    why: str,
    shares: Mapping[Address, float],
    criteria: Criteria,
) -> Candidate:
    address = offer.member.address
    if offer is chosen:
        verdict, reason = Verdict.CHOSEN, why
    elif rejection is not None:
        verdict, reason = Verdict.REJECTED, rejection.text
    elif address in criteria.latency_scores:
        verdict, reason = Verdict.ELIGIBLE, f"known, latency score {criteria.latency_scores[address]:.2f}"
    else:
        verdict, reason = Verdict.ELIGIBLE, "not drawn"
    return Candidate(
        uri=offer.member.service_uri,
        address=address,
        price=offer.price,
        latency_s=offer.latency_s,
        stake=offer.member.stake,
        verdict=verdict,
        reason=reason,
        probability=shares.get(address),
    )


def _rejected(rejection: Rejection) -> Candidate:
    member = rejection.member
    return Candidate(
        uri=member.service_uri,
        address=member.address,
        price=None,
        latency_s=None,
        stake=member.stake,
        verdict=Verdict.REJECTED,
        reason=rejection.text,
    )


def _wei(price: Fraction) -> str:
    return f"{shown(price)} wei/pixel"
