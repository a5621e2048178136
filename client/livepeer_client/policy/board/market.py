"""What a running gateway knows of orchestrators, joined with what a discovery finds."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from livepeer_client.codec.gateway_api import KnownOrchestrator, Role, Use
from livepeer_client.policy.board.facts import Market, Peer

NAMED: Final = 2
"""So many streams are told by name."""


def with_knowledge(market: Market, known: Sequence[KnownOrchestrator]) -> Market:
    """The same orchestrators with the gateway's own suspensions and uses, and those that only the gateway has met."""
    by_address = {one.address: one for one in known}
    peers = [_with(peer, by_address.pop(peer.address, None)) for peer in market.peers]
    peers += [_with(Peer(one.address, one.uri, None, verdict="met earlier"), one) for one in by_address.values()]
    suspended = sum(one.suspended is not None for one in known)
    return Market(tuple(peers), f"{market.source}; its gateway knows {len(known)}, {suspended} suspended")


def _with(peer: Peer, one: KnownOrchestrator | None) -> Peer:
    if one is None:
        return peer
    peer = replace(
        peer,
        price=one.price if peer.price is None else peer.price,
        latency_s=one.latency_s if peer.latency_s is None else peer.latency_s,
    )
    out = one.suspended
    if out is not None:
        verdict = "barred" if out.barred else "suspended"
        return replace(
            peer, verdict=verdict, reason=f"until {_moment(out.until)}: {out.cause}", usable=False, suspended=True
        )
    told = [each for each in (peer.reason, *_uses(one)) if each]
    return replace(peer, reason="; ".join(told))


def _uses(one: KnownOrchestrator) -> list[str]:
    told = [
        f"{words} {_named([use for use in one.uses if use.role is role])}"
        for role, words in ((Role.WORKING, "works for"), (Role.STANDBY, "stands by for"))
        if any(use.role is role for use in one.uses)
    ]
    if one.latency_score is not None:
        told.append(f"latency score {one.latency_score:.2f}")
    return told


def _named(uses: Sequence[Use]) -> str:
    more = f" and {len(uses) - NAMED} more" if len(uses) > NAMED else ""
    return ", ".join(use.name for use in uses[:NAMED]) + more


def _moment(unix: float) -> str:
    # What a gateway says is no more than JSON: a moment that no calendar has is told as it is.
    try:
        return datetime.fromtimestamp(unix, UTC).strftime("%H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{unix:g} s"
