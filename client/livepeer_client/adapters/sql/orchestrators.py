"""`ports.OrchestratorCache` as plans: the orchestrators that a gateway has seen (offchain-network 1.2)."""

from collections.abc import Sequence
from typing import Final

from livepeer_client.adapters.sql.columns import fraction, from_fraction
from livepeer_client.adapters.sql.plan import Plan, insert_rows, query
from livepeer_client.facts import KnownOrchestrator
from livepeer_client.types import NEVER_DEACTIVATES, Address, Round

_MAX_ROUND: Final = 2**63 - 1
"""Whoever never leaves the pool has a deactivation round beyond what a column holds; no round ever reaches this."""


def save_orchestrators(rows: Sequence[KnownOrchestrator]) -> Plan[None]:
    values = [
        (
            row.address,
            row.service_uri,
            str(row.stake),
            None if row.price is None else fraction(row.price),
            row.activation_round,
            min(row.deactivation_round, _MAX_ROUND),
        )
        for row in {row.address: row for row in rows}.values()
    ]
    yield from insert_rows(
        "INSERT INTO orchestrators (address, service_uri, stake, price, activation_round, deactivation_round, "
        "created_at, updated_at)",
        values,
        "ON CONFLICT (address) DO UPDATE SET "
        "service_uri = CASE WHEN excluded.service_uri = '' THEN orchestrators.service_uri ELSE excluded.service_uri "
        "END, stake = CASE WHEN excluded.stake = '0' THEN orchestrators.stake ELSE excluded.stake END, "
        "price = coalesce(excluded.price, orchestrators.price), activation_round = excluded.activation_round, "
        "deactivation_round = excluded.deactivation_round, updated_at = excluded.updated_at",
        constant=", now_s(), now_s()",
    )


def known_orchestrators(round_: Round) -> Plan[list[KnownOrchestrator]]:
    rows = yield from query(
        "SELECT address, service_uri, stake, price, activation_round, deactivation_round, updated_at "
        "FROM orchestrators WHERE deactivation_round > ? ORDER BY address",
        round_,
    )
    found = [
        KnownOrchestrator(
            address=Address(bytes(address)),
            service_uri=uri,
            stake=int(stake),
            activation_round=Round(activation),
            deactivation_round=NEVER_DEACTIVATES if deactivation == _MAX_ROUND else Round(deactivation),
            price=None if price is None else from_fraction(price),
            updated_at=updated_at,
        )
        for address, uri, stake, price, activation, deactivation, updated_at in rows
    ]
    return sorted(found, key=lambda row: -row.stake)
