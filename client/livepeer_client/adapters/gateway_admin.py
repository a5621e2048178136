"""The caller's side of a running gateway's administration."""

from typing import Final

from livepeer_client.codec.gateway_api import KnownOrchestrator, decode_orchestrators
from livepeer_client.ports import WebClient

ANSWER_S: Final = 5.0


class GatewayAdmin:
    """Reads from the gateway whose `[admin] listen` is `host:port`."""

    def __init__(self, web: WebClient, host: str, port: int, *, answer_s: float = ANSWER_S) -> None:
        self._web = web
        self._base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._answer_s = answer_s

    async def orchestrators(self) -> tuple[KnownOrchestrator, ...]:
        """Every orchestrator the gateway knows; see `KnownOrchestrator`.

        :raises TransportError: it does not run, or does not answer in time.
        :raises PeerRefused, MalformedMessage: something else listens there.
        """
        return decode_orchestrators(await self._web.get(f"{self._base}/orchestrators", timeout_s=self._answer_s))
