"""What each vector about the remote signer claims, asserted against the library."""

from typing import Final

from tests.support.vectors import Check, Excluded, Pending

_SIGNER: Final = "remote signer"

CHECKS: dict[str, Check] = {}

EXCLUDED: Excluded = {}

PENDING: Pending = {
    "remote_signer_request_errors": _SIGNER,
    "remote_signer_state_errors": _SIGNER,
    "remote_signer_max_price": _SIGNER,
    "remote_signer_webhook": _SIGNER,
    "remote_signer_client": _SIGNER,
}
