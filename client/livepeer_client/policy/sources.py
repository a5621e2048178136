"""Several sources of orchestrators made into one pool (offchain-network 1.1): who is whom, and whose word counts.

In order of preference: webhook, static list, a signer's list, the chain (and with it a subgraph).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from livepeer_client.codec.messages import RegisteredOrchestrator
from livepeer_client.facts import KnownOrchestrator
from livepeer_client.policy.uri import origin
from livepeer_client.types import ZERO_ADDRESS, Address, Round

Origin = tuple[str, str, int]


def merge(
    lists: Sequence[Sequence[RegisteredOrchestrator]], registered: Sequence[RegisteredOrchestrator] = ()
) -> list[RegisteredOrchestrator]:
    """One pool out of `lists`, the preferred one first.

    Two entries are the same if their address is or, where one has none, their URI's host and port; the first keeps
    its URI and score. Stake, address and activity come from the chain's list, for which an entry without an address
    counts as whoever registered that URI, if only one did. A URI that is none is dropped.
    """
    by_origin = _only_ones(registered)
    by_address = {member.address: member for member in registered}
    addresses: set[Address] = set()
    places: set[Origin] = set()
    found: list[RegisteredOrchestrator] = []
    for entry in (entry for entries in lists for entry in entries):
        member = _identified(entry, by_origin, by_address)
        if member is None or (member.known and member.address in addresses):
            continue
        place = origin(member.service_uri)
        if not member.known and place in places:
            continue
        if member.known:
            addresses.add(member.address)
        if place is not None:
            places.add(place)
        found.append(member)
    return found


def _only_ones(registered: Sequence[RegisteredOrchestrator]) -> dict[Origin, RegisteredOrchestrator]:
    """Who registered each host and port; nobody where two did, since only one of them can be there."""
    found: dict[Origin, list[RegisteredOrchestrator]] = {}
    for member in registered:
        place = origin(member.service_uri)
        if place is not None:
            found.setdefault(place, []).append(member)
    return {place: members[0] for place, members in found.items() if len(members) == 1}


def _identified(
    entry: RegisteredOrchestrator,
    by_origin: Mapping[Origin, RegisteredOrchestrator],
    by_address: Mapping[Address, RegisteredOrchestrator],
) -> RegisteredOrchestrator | None:
    place = origin(entry.service_uri)
    if entry.known:
        chain = by_address.get(entry.address)
    elif place is None:
        return None
    else:
        chain = by_origin.get(place)
    if chain is None:
        return entry
    return replace(entry, address=chain.address, stake=chain.stake, active=chain.active)


def listed(uri: str, score: float, *, stale: bool = False) -> RegisteredOrchestrator:
    """An entry of a list that gives a URI and nothing else."""
    return RegisteredOrchestrator(ZERO_ADDRESS, uri, 0, True, score, stale)


@dataclass(frozen=True, slots=True)
class Window:
    """How old a cached row may be and still count, seconds (offchain-network 1.2)."""

    max_age_s: float = 86_400.0


def candidates(
    rows: Sequence[KnownOrchestrator], round_: Round, *, now: float, window: Window, stale: bool
) -> list[RegisteredOrchestrator]:
    """The pool in `round_` as the cache has it, by falling stake: who is in its activation window or enters it next
    round, and was seen within the window of age. The next round's members are there and not active, so that their
    turn comes without another look at the chain."""
    found = [
        RegisteredOrchestrator(
            row.address, row.service_uri, row.stake, active=row.is_active(round_), score=0.0, stale=stale
        )
        for row in rows
        if now - row.updated_at <= window.max_age_s and (row.is_active(round_) or row.is_active(Round(round_ + 1)))
    ]
    return sorted(found, key=lambda member: -member.stake)
