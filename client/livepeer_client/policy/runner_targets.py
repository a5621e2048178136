"""Where a live runner's proxies may lead (offchain-network 4.11).

A runner asks for them with the token of a session, which every app is handed, also one that its operator listed in a
file and trusts with nothing else. So they stay on the host that it was registered with; and where that host is the
orchestrator's own machine, on the port, since behind the others are the node's own doors, open to this machine alone.
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from livepeer_client.errors import InvalidInput
from livepeer_client.policy.uri import is_literal, origin


@dataclass(frozen=True, slots=True)
class Target:
    """`url` without a fragment. `outside`: wherever its name leads, it must not be this machine."""

    url: str
    outside: bool = False

    def at(self, path: str | None, query: str) -> str:
        """The URL of a request. `path`: percent-encoded, below the target's own; None for that itself."""
        base, _, own = self.url.partition("?")
        if path is not None:
            base = f"{base.rstrip('/')}/{path}"
        asked = "&".join(each for each in (own, query) if each)
        return f"{base}?{asked}" if asked else base


def target_of(runner_url: str, asked: str, service_uri: str, ports: frozenset[int] = frozenset()) -> Target:
    """The target of a proxy; the runner's own app if it `asked` for none.

    :param ports: of this machine, that the operator opens to proxies.
    :raises InvalidInput: no http(s) URL, with a user name or a fragment, or of a place that it must not lead to.
    """
    if not asked:
        return Target(runner_url)
    # What a parser strips or takes for another character, two parsers read in two ways.
    if not asked.isascii() or not asked.isprintable() or {" ", "\\", "#"} & set(asked):
        raise InvalidInput("target_url must be an absolute http(s) URL without a fragment")
    place, own = origin(asked), origin(runner_url)
    if place is None:
        raise InvalidInput("target_url must be an absolute http(s) URL without a user name")
    _, host, port = place
    if own is None or host.rstrip(".") != own[1].rstrip("."):
        raise InvalidInput("target_url must be of the host of runner_url")
    if place == origin(service_uri):
        raise InvalidInput("target_url must not lead back to the orchestrator")
    if any(part in (".", "..") for part in unquote(urlsplit(asked).path).split("/")):
        raise InvalidInput("target_url must not have dots for a path")
    if port == own[2] or port in ports:
        return Target(asked)
    if _is_here(host):
        raise InvalidInput(f"port {port} of this machine is not open to proxies")
    return Target(asked, outside=True)


def _is_here(host: str) -> bool:
    host = host.rstrip(".")
    try:
        return not is_elsewhere(host)
    except ValueError:
        # Names are looked up, and judged, when they are used; `127.1` is an address to a system's look-up only.
        return is_literal(host) or host == "localhost" or host.endswith(".localhost")


def is_elsewhere(address: str) -> bool:
    """Whether an IP address is of another machine: neither loopback nor link-local, none of every host and of many.

    An IPv6 address that stands for an IPv4 one is judged by that.

    :raises ValueError: not an IP address.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in ipaddress.IPv6Network("64:ff9b::/96") or (int(parsed) >> 32 == 0 and int(parsed) > 1):
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        parsed = inner or parsed
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast)
