"""Trickle channels for live runners: one on which each is told of its sessions, and those it asks for (4.11).

A session's channels end with it, a runner's own with the runner.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Protocol

from livepeer_client.codec import runner_api, trickle
from livepeer_client.errors import InvalidInput, LivepeerError, MalformedMessage
from livepeer_client.ports import Clock
from livepeer_client.services.runner_sessions import Runner, RunnerSession
from livepeer_client.services.work import Refused

KEEP_ALIVE_S: Final = 10.0

_log = logging.getLogger(__name__)


class Hub(Protocol):
    """`adapters.trickle_server.TrickleHub`."""

    def new_name(self) -> str: ...

    def open(self, name: str, mime_type: str) -> None:
        """:raises InvalidInput: a name that is taken, or too many channels."""

    def close(self, name: str) -> None: ...

    def publish(self, name: str, data: bytes) -> None:
        """:raises LivepeerError: there is no room."""


class RunnerChannels:
    """Channels of the runners of one orchestrator."""

    def __init__(self, service_uri: str, hub: Hub, clock: Clock) -> None:
        self._base = service_uri.rstrip("/") + trickle.BASE_PATH
        self._hub = hub
        self._clock = clock
        self._kept_at = clock.monotonic()

    def to_runner(self, runner: Runner) -> dict[str, str] | None:
        """The channel on which a runner hears of its sessions, the same as long as it is known; None without room."""
        if not runner.o2r:
            name = self._hub.new_name()
            try:
                self._hub.open(name, trickle.JSON)
            except InvalidInput as error:
                _log.warning("no channel for runner=%s reason=%s", runner.runner_id, error)
                return None
            runner.o2r = name
        return self._said("o2r", runner.o2r, trickle.JSON)

    def tell(self, runner: Runner, event: str, session_id: str) -> None:
        """`reserved` or `released`."""
        at = datetime.fromtimestamp(self._clock.time(), UTC).isoformat()
        self._publish(runner, trickle.encode_event({"event": event, "session": session_id, "timestamp": at}))

    def keep_alive(self, runners: Iterable[Runner]) -> None:
        """Every ten seconds, so that a runner tells silence from a broken line."""
        now = self._clock.monotonic()
        if now - self._kept_at >= KEEP_ALIVE_S:
            self._kept_at = now
            for runner in runners:
                self._publish(runner, trickle.encode_event({"keep": "alive"}))

    def _publish(self, runner: Runner, data: bytes) -> None:
        if runner.o2r:
            try:
                self._hub.publish(runner.o2r, data)
            except LivepeerError as error:
                _log.warning("runner not told id=%s reason=%s", runner.runner_id, error)

    def forget(self, runner: Runner) -> None:
        """The runner is gone."""
        if runner.o2r:
            self._hub.close(runner.o2r)
            runner.o2r = ""

    def create(self, session: RunnerSession, body: bytes) -> dict[str, object] | Refused:
        """Channels of a session, all that are asked for or none."""
        try:
            asked = runner_api.decode_channels(body)
        except MalformedMessage as error:
            return Refused(400, error.detail)
        if len(session.channels) + len(asked) > runner_api.MAX_SESSION_CHANNELS:
            return Refused(400, f"at most {runner_api.MAX_SESSION_CHANNELS} channels")
        opened: list[str] = []
        for name, mime_type in asked:
            try:
                self._hub.open(f"{session.session_id}-{name}", mime_type)
            except InvalidInput as error:
                for each in opened:
                    self._hub.close(each)
                return Refused(409, str(error))
            opened.append(f"{session.session_id}-{name}")
        session.channels += opened
        said = [self._said(name, f"{session.session_id}-{name}", mime_type) for name, mime_type in asked]
        return {"channels": said}

    def remove(self, session: RunnerSession, body: bytes) -> dict[str, object] | Refused:
        """Close channels of a session by their names; those that are not there are left out of the answer."""
        try:
            names = runner_api.decode_channel_names(body)
        except MalformedMessage as error:
            return Refused(400, error.detail)
        deleted = []
        for name in names:
            full = f"{session.session_id}-{name}"
            if full in session.channels:
                session.channels.remove(full)
                self._hub.close(full)
                deleted.append(name)
        return {"deleted": deleted}

    def end(self, session: RunnerSession) -> None:
        """The session is over."""
        for name in session.channels:
            self._hub.close(name)
        session.channels.clear()
        self.tell(session.runner, "released", session.session_id)

    def _said(self, name: str, channel: str, mime_type: str) -> dict[str, str]:
        return {"name": name, "channel_name": channel, "url": self._base + channel, "mime_type": mime_type}
