"""Further nodes that an orchestrator names in its answer (offchain-network 1.3): which of them are asked as well.

One level, without those already seen, and no more than the gateway allows for one answer: an operator could fill every
discovery with nodes of its own.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from livepeer_client.codec.messages import OrchestratorInfo, RegisteredOrchestrator
from livepeer_client.policy.discovery import Offer, Rejection, RejectReason
from livepeer_client.policy.sources import Origin
from livepeer_client.policy.uri import is_inside, is_service_uri, origin
from livepeer_client.types import ZERO_ADDRESS, Address

# Answers from which nodes are taken: whoever gave another's name is not believed about nodes either.
_HONEST_REFUSALS: Final = frozenset(
    {
        RejectReason.DIRECTORY_ONLY,
        RejectReason.INCOMPATIBLE,
        RejectReason.NO_TICKET_PARAMS,
        RejectReason.NO_PRICE,
        RejectReason.NO_AUTH_TOKEN,
    }
)


def further(
    outcome: Offer | Rejection, info: OrchestratorInfo, *, seen: Collection[Origin], limit: int
) -> list[RegisteredOrchestrator]:
    """At most `limit` nodes of an answer to ask next.

    They inherit the operator's address and score, and none of its stake, which counts once. Who does no work itself
    may name others: those say who they are. A public orchestrator leads nobody into a private network, and nobody away
    from TLS.
    """
    if limit < 1 or (isinstance(outcome, Rejection) and outcome.reason not in _HONEST_REFUSALS):
        return []
    parent, found, places = outcome.member, list[RegisteredOrchestrator](), set(seen)
    names_others = isinstance(outcome, Rejection) and outcome.reason is RejectReason.DIRECTORY_ONLY
    address = ZERO_ADDRESS if names_others else parent.address
    for uri in info.nodes:
        place = origin(uri)
        if place is None or place in places or not is_service_uri(uri) or place[0] != "https":
            continue
        if is_inside(uri) and not is_inside(parent.service_uri):
            continue
        places.add(place)
        found.append(replace(parent, address=address, service_uri=uri, stake=0, node=True))
        if len(found) == limit:
            break
    return found


def thinned(offers: Sequence[Offer], per_identity: int) -> tuple[list[Offer], list[Rejection]]:
    """Offers by rising latency, at most `per_identity` of one address, and those left out."""
    counts: dict[Address, int] = {}
    kept, left = list[Offer](), list[Rejection]()
    for offer in sorted(offers, key=lambda each: each.latency_s):
        address = offer.member.address
        counts[address] = counts.get(address, 0) + 1
        if counts[address] <= per_identity:
            kept.append(offer)
        else:
            left.append(Rejection(offer.member, RejectReason.CROWDED, {"at most": per_identity}))
    return kept, left
