"""What each vector about redemption claims, asserted against the library."""

from typing import Final

from tests.support.vectors import Check, Excluded, Pending

_REDEMPTION: Final = "redemption"

CHECKS: dict[str, Check] = {}

EXCLUDED: Excluded = {}

PENDING: Pending = {
    "redeem_precheck": _REDEMPTION,
    "queue_errors": _REDEMPTION,
    "queue_order": _REDEMPTION,
    "queue_recipient_active": _REDEMPTION,
    "redeemer_ticket_roundtrip": _REDEMPTION,
}
