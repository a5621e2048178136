"""What peers sign or authenticate besides tickets: logins, segments, pings, results, auth tokens.

Each `*_digest` is the 32 bytes to hand to `Signer.sign`, which adds the personal-message prefix
(offchain-payments 1.3, offchain-network 4.1 and 4.7).
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Final

from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import AuthToken, VideoProfile
from livepeer_client.codec.widths import minimal_bytes
from livepeer_client.errors import BadCredentials, InvalidInput
from livepeer_client.types import HASH_BYTES, Address, Hash32

AUTH_TOKEN_LIFETIME_S: Final = 30 * 60
"""How long an orchestrator's token is valid after issue (offchain-network 2.5)."""
AUTH_TOKEN_RENEWAL_S: Final = AUTH_TOKEN_LIFETIME_S // 10
"""A gateway asks for a new token in the last tenth of its life."""
_LONGEST_LIFETIME_S: Final = 24 * 60 * 60
_PROFILE_DIGEST_BYTES: Final = 4


def orchestrator_request_digest(address: Address) -> Hash32:
    """What a gateway signs to log in: keccak-256 of its own EIP-55 address text. Replayable, as the network has it.

    :raises InvalidInput: not 20 bytes.
    """
    return keccak256(checksum_address(address).encode("ascii"))


def segment_message(manifest_id: bytes, seq: int, segment_hash: bytes, profiles: Sequence[VideoProfile]) -> bytes:
    """manifest id || seq (32 bytes, big-endian) || segment hash (32) || profile digests.

    A profile contributes the ASCII hex (8 characters) of the first 4 bytes of keccak-256 of its name.

    :raises InvalidInput: negative `seq` or a hash that is not 32 bytes.
    """
    if seq < 0 or len(segment_hash) != HASH_BYTES:
        raise InvalidInput(f"segment {seq} with a hash of {len(segment_hash)} bytes")
    digests = "".join(keccak256(profile.name.encode())[:_PROFILE_DIGEST_BYTES].hex() for profile in profiles)
    return manifest_id + seq.to_bytes(32, "big") + segment_hash + digests.encode("ascii")


def segment_digest(manifest_id: bytes, seq: int, segment_hash: bytes, profiles: Sequence[VideoProfile]) -> Hash32:
    """What a gateway signs for each segment: keccak-256 of `segment_message`. Raises as that."""
    return keccak256(segment_message(manifest_id, seq, segment_hash, profiles))


def ping_digest(value: bytes) -> Hash32:
    """What an orchestrator signs to answer a ping: keccak-256 of the bytes sent."""
    return keccak256(value)


def result_digest(rendition_hashes: Iterable[bytes]) -> Hash32:
    """What an orchestrator signs over its renditions: keccak-256 of their keccak-256 hashes in profile order.

    :raises InvalidInput: a hash that is not 32 bytes.
    """
    hashes = tuple(rendition_hashes)
    if any(len(value) != HASH_BYTES for value in hashes):
        raise InvalidInput("rendition hashes are 32 bytes each")
    return keccak256(b"".join(hashes))


def _token_mac(key: bytes, session_id: str, expiration: int) -> bytes:
    return hmac.new(key, session_id.encode() + minimal_bytes(expiration), hashlib.sha256).digest()


def new_auth_token(key: bytes, session_id: str, expiration: int) -> AuthToken:
    """HMAC-SHA256(key, session id || minimal big-endian expiration) as a token (offchain-network 2.5).

    `expiration` in Unix seconds, at most a day ahead; usually now + `AUTH_TOKEN_LIFETIME_S`.

    :raises InvalidInput: an empty session id or a negative expiration.
    """
    if not session_id or expiration < 0:
        raise InvalidInput(f"auth token for session {session_id!r} until {expiration}")
    return AuthToken(token=_token_mac(key, session_id, expiration), session_id=session_id, expiration=expiration)


def check_auth_token(key: bytes, token: AuthToken | None, now: float) -> None:
    """Accept only tokens this key made that have not expired. `now` in Unix seconds.

    The MAC's input is not framed, so the tail of a session id could pose as the head of an expiration. That
    makes an expiration of five bytes or more, thousands of years ahead: no token may outlive a day.

    :raises BadCredentials: `missing auth token`, `invalid auth token` or `expired auth token`.
    """
    if token is None:
        raise BadCredentials("missing auth token")
    if token.expiration < 0 or not hmac.compare_digest(
        token.token, _token_mac(key, token.session_id, token.expiration)
    ):
        raise BadCredentials("invalid auth token")
    if token.expiration > now + _LONGEST_LIFETIME_S:
        raise BadCredentials("invalid auth token")
    if now > token.expiration:
        raise BadCredentials("expired auth token")


def needs_renewal(token: AuthToken, now: float) -> bool:
    """True in the last tenth of a token's life and after it: a gateway fetches a new one."""
    return now >= token.expiration - AUTH_TOKEN_RENEWAL_S
