"""Which live runners an orchestrator has: those that report by heartbeats and those of a file (offchain-network 4.11).

    heartbeat   401 not the secret, 409 the id is of a runner in the file
    places      all runners of a file, or none of it where one of them cannot be sold

One that was not heard of for `TTL_S`, or has not answered its health check, loses its sessions; one that reports is
forgotten with them.
"""

import hmac
import logging
import math
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Final, Protocol

from livepeer_client.codec import runner_api
from livepeer_client.codec.runner_api import RunnerReport
from livepeer_client.codec.runner_file import StaticRunner
from livepeer_client.errors import InvalidInput, MalformedMessage, PriceUnavailable
from livepeer_client.policy.fiat import FeedPrice
from livepeer_client.policy.runners import HEARTBEAT_S, TTL_S, RunnerPrice, price_of
from livepeer_client.ports import Clock
from livepeer_client.services.runner_channels import RunnerChannels
from livepeer_client.services.runner_sessions import Runner
from livepeer_client.services.work import Refused

MAX_RUNNERS: Final = 1000
ID_BYTES: Final = 16
KEY_BYTES: Final = 32

NO_REGISTRATION: Final = "invalid registration authorization"
NO_HEARTBEAT: Final = "invalid heartbeat authorization"
NO_RUNNER: Final = "runner not found"
DISABLED: Final = "dynamic live runner registration is disabled"
FROM_FILE: Final = "runner id is taken by a static runner"

_log = logging.getLogger(__name__)


class Sessions(Protocol):
    """What runs at the runners; `services.live_runners.RunnerDesk`."""

    def ids_of(self, runner: Runner) -> list[str]: ...

    async def end_of(self, runner: Runner, reason: str) -> None:
        """End all sessions of a runner."""


class RunnerRegistry:
    """All runners of one orchestrator.

    :param registration: whether an `Authorization` header shows the secret with which runners register; None where
        none may.
    :param feed: the present exchange rate, None while there is none; without a feed only wei and ETH have a price.
    :param free: all runners cost nothing, whatever they ask.
    """

    def __init__(
        self,
        *,
        service_uri: str,
        registration: Callable[[str], bool] | None,
        clock: Clock,
        sessions: Sessions,
        feed: Callable[[], FeedPrice | None] | None = None,
        channels: RunnerChannels | None = None,
        free: bool = False,
    ) -> None:
        self.service_uri = service_uri.rstrip("/")
        self._registration = registration
        self._clock = clock
        self._sessions = sessions
        self._feed = feed
        self._channels = channels
        self._free = free
        self._runners: dict[str, Runner] = {}

    def __iter__(self) -> Iterator[Runner]:
        return iter(list(self._runners.values()))

    # --- those that report --------------------------------------------------------------------------

    async def heartbeat(self, authorization: str, body: bytes) -> dict[str, object] | Refused:
        """A runner reports: with the common secret to register, then with the one that it was given."""
        if self._registration is None:
            return Refused(404, DISABLED)
        registers = self._registration(authorization)
        try:
            report = runner_api.decode_heartbeat(body)
        except MalformedMessage as error:
            # Strangers learn nothing about what a report looks like.
            return Refused(400, error.detail) if registers else Refused(401, NO_HEARTBEAT)
        known = self._reporting(report.runner_id)
        if not registers and (known is None or not same(known.secret, authorization)):
            # Also where it is merely forgotten: a 401 is what makes a runner register again.
            return Refused(401, NO_HEARTBEAT if report.runner_id else NO_REGISTRATION)
        try:
            self._cost(report)
        except (InvalidInput, PriceUnavailable) as error:
            return Refused(400, str(error))
        if known is None:
            joined = await self._join(report)
            if isinstance(joined, Refused):
                return joined
            known = joined
        known.report, known.heard_at = report, self._clock.monotonic()
        answer: dict[str, object] = {
            "runner_id": known.runner_id,
            "orchestrator": self.service_uri,
            "heartbeat_interval": f"{HEARTBEAT_S}s",
            "heartbeat_ttl": f"{TTL_S}s",
            "session_ids": self._sessions.ids_of(known),
        }
        if registers:
            # Whoever registers again gets a new one, and the old one is worth nothing from here on.
            known.secret = answer["heartbeat_secret"] = secrets.token_hex(KEY_BYTES)
            if self._channels is not None and (o2r := self._channels.to_runner(known)) is not None:
                answer["o2r"] = o2r
        return answer

    def _reporting(self, runner_id: str) -> Runner | None:
        found = self._runners.get(runner_id)
        return found if found is not None and found.entry is None and self._heard(found) else None

    async def _join(self, report: runner_api.RunnerReport) -> Runner | Refused:
        while (late := self._runners.get(report.runner_id)) is not None:
            if late.entry is not None:
                return Refused(409, FROM_FILE)
            if self._heard(late):
                # It registered twice, and the other one was first.
                return late
            # Its time is over, and nobody has noticed yet; what it had begun does not pass on to its next life.
            await self.drop(late, "runner not heard of")
        if len(self._runners) >= MAX_RUNNERS:
            return Refused(503, "too many runners")
        name = report.runner_id or secrets.token_hex(ID_BYTES)
        joined = self._runners[name] = Runner(name, report, "", self._clock.monotonic())
        _log.info("runner joined id=%s app=%r capacity=%d", name, report.app, report.capacity)
        return joined

    async def unregister(self, runner_id: str, authorization: str) -> Refused | None:
        """A runner leaves; its sessions end."""
        known = self._reporting(runner_id)
        if known is None:
            return Refused(404, NO_RUNNER)
        if not same(known.secret, authorization):
            return Refused(401, NO_HEARTBEAT)
        await self.drop(known, "runner left")
        return None

    # --- those of a file ----------------------------------------------------------------------------

    async def place(self, entries: tuple[StaticRunner, ...]) -> None:
        """Have these runners of a file, and no others of it. Those that were there keep id and sessions by their label.

        :raises InvalidInput: too many, or one whose price nobody can tell; nothing has changed.
        """
        for entry in entries:
            self._check(entry)
        reporting = [each for each in self if each.entry is None]
        if len(entries) + len(reporting) > MAX_RUNNERS:
            raise InvalidInput(f"{len(entries)} runners, and {len(reporting)} that report: at most {MAX_RUNNERS}")
        there = {each.entry.label: each for each in self if each.entry is not None}
        named = {self._name(entry, there.get(entry.label)): entry for entry in entries}
        # One that reports has no claim to a name that the operator has given.
        stale = [each for each in self if (each.runner_id in named) is (each.entry is None)]
        for each in stale:
            del self._runners[each.runner_id]
        for name, entry in named.items():
            known = self._runners.get(name)
            if known is None:
                # Not sold before it has answered once.
                known = self._runners[name] = Runner(name, entry.report, "", -math.inf, entry)
                _log.info("runner placed id=%s label=%r app=%r", name, entry.label, entry.report.app)
            known.report, known.entry = entry.report, entry
        for each in stale:
            await self.drop(each, "runner not in the file")

    def _check(self, entry: StaticRunner) -> None:
        try:
            self._cost(entry.report)
        except PriceUnavailable as error:
            # A feed may have a price later; the runner is listed from then on.
            if self._feed is None:
                raise InvalidInput(f"runner {entry.label!r}: {error}") from error
        except InvalidInput as error:
            raise InvalidInput(f"runner {entry.label!r}: {error}") from error

    @staticmethod
    def _name(entry: StaticRunner, known: Runner | None) -> str:
        if entry.by_label:
            return entry.label
        return known.runner_id if known is not None and known.runner_id != entry.label else secrets.token_hex(ID_BYTES)

    def checked(self, runner: Runner, *, healthy: bool) -> None:
        """A health check has ended. One that fails sells nothing more until the next that does not."""
        if runner.healthy is not healthy:
            _log.info("runner id=%s healthy=%s", runner.runner_id, healthy)
        runner.healthy = healthy
        if healthy:
            runner.heard_at = self._clock.monotonic()

    # --- what there is ------------------------------------------------------------------------------

    def discovery(self, apps: tuple[str, ...] = (), gpus: tuple[str, ...] = ()) -> bytes:
        """A `GET /discovery`: who is here now, at what price, with how much room."""
        found = []
        for each in self:
            price = self.price(each)
            gpu = each.report.gpu or {}
            if price is None or not self.is_open(each):
                continue
            if (apps and each.report.app not in apps) or (gpus and gpu.get("name") not in gpus):
                continue
            found.append(self._entry(each, price))
        return runner_api.encode_discovery(self.service_uri, found)

    def _entry(self, runner: Runner, price: RunnerPrice) -> dict[str, object]:
        report = runner.report
        path = "app" if report.is_single_shot else "session"
        entry: dict[str, object] = {
            "runner_id": runner.runner_id,
            "url": f"{self.app_uri(runner)}/{path}",
            "app": report.app,
            "version": report.version,
            "metadata": report.metadata,
            "mode": report.mode,
            "capacity": report.capacity,
            "capacity_used": runner.used,
            "capacity_available": max(0, report.capacity - runner.used),
            "price_info": {"price": price.advertised, "currency": "wei", "unit": price.word},
        }
        if report.gpu:
            entry["gpu"] = dict(report.gpu)
        return entry

    def app_uri(self, runner: Runner) -> str:
        return f"{self.service_uri}/apps/{runner.runner_id}"

    def get(self, runner_id: str) -> Runner | None:
        """One that was heard of lately."""
        found = self._runners.get(runner_id)
        return found if found is not None and self._heard(found) else None

    def is_open(self, runner: Runner) -> bool:
        """Whether it takes new sessions: it is here, says that it is ready, and answers its health checks."""
        return self._heard(runner) and runner.healthy and runner.report.is_ready

    def _heard(self, runner: Runner) -> bool:
        return self._clock.monotonic() - runner.heard_at <= TTL_S

    def price(self, runner: Runner) -> RunnerPrice | None:
        """None where there is none now."""
        try:
            return self._cost(runner.report)
        except (InvalidInput, PriceUnavailable) as error:
            _log.warning("no price runner=%s reason=%s", runner.runner_id, error)
            return None

    def _cost(self, report: RunnerReport) -> RunnerPrice:
        return price_of(replace(report, price=Fraction(0)) if self._free else report, self._rate())

    def _rate(self) -> FeedPrice | None:
        return None if self._feed is None else self._feed()

    # --- time ---------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """End the sessions of runners that were not heard of; forget those of them that report."""
        for runner in [each for each in self if not self._heard(each)]:
            if runner.entry is None:
                await self.drop(runner, "runner not heard of")
            else:
                await self._sessions.end_of(runner, "runner not healthy")

    async def drop(self, runner: Runner, reason: str) -> None:
        """Forget a runner and end its sessions. Harmless to another that has its id by now."""
        if self._runners.get(runner.runner_id) is runner:
            del self._runners[runner.runner_id]
        _log.info("runner left id=%s reason=%s", runner.runner_id, reason)
        await self._sessions.end_of(runner, reason)
        if self._channels is not None:
            self._channels.forget(runner)


def same(secret: str, shown: str) -> bool:
    """Whether a secret that there is was shown."""
    return bool(secret) and hmac.compare_digest(secret.encode(), shown.encode("utf-8", "surrogateescape"))
