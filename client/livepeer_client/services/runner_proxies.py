"""Public URLs that live runners ask for, each leading to one place on the runner's host (offchain-network 4.11).

Whoever knows a proxy's id may use it, and learns nothing of the session by it; it ends with the session.
"""

import logging
import secrets
from typing import Final

from livepeer_client.codec import runner_api
from livepeer_client.errors import InvalidInput, MalformedMessage
from livepeer_client.policy.runner_targets import Target, target_of
from livepeer_client.services.runner_sessions import RunnerSession
from livepeer_client.services.work import Refused

MAX_SESSION_PROXIES: Final = 25
PROXY_BYTES: Final = 16
PATH: Final = "/run"

_log = logging.getLogger(__name__)


class RunnerProxies:
    """Those of one orchestrator.

    :param ports: of this machine, that the operator opens to proxies.
    """

    def __init__(self, service_uri: str, ports: frozenset[int] = frozenset()) -> None:
        self._service_uri = service_uri.rstrip("/")
        self._ports = ports
        self._found: dict[str, tuple[RunnerSession, Target]] = {}

    def create(self, session: RunnerSession, body: bytes) -> dict[str, object] | Refused:
        """A new one, for a session that runs."""
        try:
            asked = runner_api.decode_proxy(body)
            target = target_of(session.runner.report.url, asked, self._service_uri, self._ports)
        except MalformedMessage as error:
            return Refused(400, error.detail)
        except InvalidInput as error:
            return Refused(400, str(error))
        if len(session.proxies) >= MAX_SESSION_PROXIES:
            return Refused(400, f"at most {MAX_SESSION_PROXIES} proxies")
        name = secrets.token_hex(PROXY_BYTES)
        self._found[name] = session, target
        session.proxies.append(name)
        _log.info("proxy opened session=%s runner=%s", session.session_id[:8], session.runner.runner_id)
        return {"proxy_id": name, "url": f"{self._service_uri}{PATH}/{name}"}

    def get(self, proxy_id: str) -> tuple[RunnerSession, Target] | None:
        """Its session and target, while the session runs."""
        return self._found.get(proxy_id)

    def end(self, session: RunnerSession) -> None:
        """The session is over."""
        for name in session.proxies:
            self._found.pop(name, None)
        session.proxies.clear()
