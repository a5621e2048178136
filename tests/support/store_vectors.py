"""What each vector about ticket stores claims, asserted against the library."""

from tests.support.vectors import Check, Excluded, Pending

CHECKS: dict[str, Check] = {}

EXCLUDED: Excluded = {}

PENDING: Pending = {"ticket_store": "store"}
