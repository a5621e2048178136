"""What each vector about streaming payments claims, asserted against the library."""

from typing import Final

from tests.support.vectors import Check, Excluded, Pending

_LIVE: Final = "live and AI jobs"

CHECKS: dict[str, Check] = {}

EXCLUDED: Excluded = {}

PENDING: Pending = {
    "live_processor": _LIVE,
    "account_payment": _LIVE,
    "live_send_payment": _LIVE,
    "refresh_payment": _LIVE,
    "byoc_ticket_count": _LIVE,
    "byoc_balance_sync": _LIVE,
}
