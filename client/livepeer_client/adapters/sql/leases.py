"""Leases with fencing tokens. The row of a name is never deleted, so its token never repeats."""

from livepeer_client.adapters.sql.plan import Lock, Plan, query, query_one
from livepeer_client.errors import LeaseHeld, LeaseLost
from livepeer_client.facts import Lease


def acquire(name: str, owner: str, ttl_s: float) -> Plan[Lease]:
    yield from query(
        "INSERT INTO leases (name, owner, token, expires_at) VALUES (?, ?, 0, 0) ON CONFLICT (name) DO NOTHING",
        name,
        owner,
    )
    row = yield from query_one("SELECT owner, expires_at - now_s() FROM leases WHERE name = ?", name, lock=Lock.UPDATE)
    assert row is not None
    holder, expires_in = row
    if holder != owner and expires_in > 0:
        raise LeaseHeld(name, holder, expires_in)
    row = yield from query_one(
        "UPDATE leases SET owner = ?, token = token + 1, expires_at = now_s() + ? WHERE name = ? "
        "RETURNING token, expires_at",
        owner,
        ttl_s,
        name,
    )
    assert row is not None
    return Lease(name, owner, row[0], row[1])


def renew(lease: Lease, ttl_s: float) -> Plan[Lease]:
    yield from guard(lease, Lock.UPDATE)
    row = yield from query_one(
        "UPDATE leases SET expires_at = now_s() + ? WHERE name = ? RETURNING expires_at", ttl_s, lease.name
    )
    assert row is not None
    return Lease(lease.name, lease.owner, lease.token, row[0])


def release(lease: Lease) -> Plan[None]:
    yield from query("UPDATE leases SET expires_at = 0 WHERE name = ? AND token = ?", lease.name, lease.token)


def guard(lease: Lease, lock: Lock = Lock.SHARE) -> Plan[None]:
    """Go on only under the newest token; nobody can take the lease over before the transaction ends.

    :raises LeaseLost:
    """
    row = yield from query_one("SELECT token FROM leases WHERE name = ?", lease.name, lock=lock)
    if row is None or row[0] != lease.token:
        raise LeaseLost(lease.name, lease.token, row[0] if row else None)
