"""Where a peer's URIs lead. They are the peer's own words, and a gateway connects to wherever they say."""

import ipaddress
from urllib.parse import urlsplit


def origin(uri: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an HTTP URL, None if it has none or carries a user name.

    Hosts are ASCII, as on the wire: what else is written, `①②⑦.0.0.1`, an HTTP client turns into another host than the
    one that was judged.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return None
    if not parts.hostname.isascii():
        return None
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)


def is_service_uri(uri: str) -> bool:
    """Whether paths can be appended to `uri`: without a query or fragment, which would swallow them and make a
    gateway's request one for whatever address a peer likes."""
    return origin(uri) is not None and not {"?", "#"} & set(uri)


def is_literal(host: str) -> bool:
    """Whether a host is written as an address, in any way that a system's look-up takes for one.

    `127.1`, `2130706433` and `0x7f.1` are addresses to it; a name of digits and dots alone is none of a host.
    """
    if ":" in host:
        return True
    last = host.rstrip(".").rpartition(".")[2].lower()
    return last.isdecimal() or last.startswith("0x")


def is_inside(uri: str) -> bool:
    """Whether a URI names, without a look-up, a place that only this machine or its own network reaches."""
    place = origin(uri)
    if place is None:
        return False
    host = place[1].rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # Nobody public writes its address as `127.1` or `0x7f.1`.
        return is_literal(host) or host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
    return not address.is_global
