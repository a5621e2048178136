"""What an operator may change while a node runs (offchain-network 7)."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Final

from aiohttp import web

from livepeer_client.adapters.admin import Form, Setter, build_admin, price, whole
from livepeer_client.codec.address import parse_address
from livepeer_client.codec.capability import Capability
from livepeer_client.config import OrchestratorConfig
from livepeer_client.errors import InvalidInput
from livepeer_client.policy.fiat import Amount
from livepeer_client.policy.price_list import PriceList
from livepeer_client.services.price_feed import PriceFeedService
from livepeer_client.services.prices import PricesNow
from livepeer_client.services.work import AUTO, WorkService
from livepeer_client.types import MAX_UINT256, Wei

SHUTDOWN_S: Final = 30.0
MAX_SESSIONS: Final = 100_000


@contextlib.asynccontextmanager
async def served(app: web.Application, host: str, port: int) -> AsyncIterator[None]:
    """Serve an application while the block lasts; requests under way at its end are still answered."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()


def capability_of(pipeline: str) -> Capability:
    """:raises InvalidInput: the library knows no pipeline of this name."""
    try:
        return Capability[pipeline.strip().upper().replace("-", "_").replace(" ", "_")]
    except KeyError:
        raise InvalidInput(f"no pipeline {pipeline!r}") from None


def _no_cap(_: Wei) -> None:
    return None


@dataclass(slots=True)
class Dials:
    """What of an orchestrator's terms changes while it runs. Sessions keep the price they were opened at."""

    selling: PricesNow
    feed: PriceFeedService | None = None
    set_max_face_value: Callable[[Wei], None] = field(default=_no_cap)

    @property
    def prices(self) -> PriceList:
        """What is asked now."""
        return self.selling()


@contextlib.asynccontextmanager
async def overseen(config: OrchestratorConfig, dials: Dials, work: WorkService) -> AsyncIterator[None]:
    """Serve an orchestrator's administration, if it is configured."""
    async with contextlib.AsyncExitStack() as opened:
        if config.admin is not None:
            await opened.enter_async_context(served(orchestrator_admin(dials, work), *config.admin))
        yield


@contextlib.asynccontextmanager
async def overseen_offchain(admin: tuple[str, int] | None, work: WorkService) -> AsyncIterator[None]:
    """Serve the administration of an orchestrator without a chain, if it is configured."""
    async with contextlib.AsyncExitStack() as opened:
        if admin is not None:
            await opened.enter_async_context(served(offchain_admin(work), *admin))
        yield


def offchain_admin(work: WorkService) -> web.Application:
    """The setters that mean something where nothing is paid: sessions. The others say why they do not."""

    def free(_: Form) -> None:
        raise InvalidInput("this orchestrator runs without a chain and gives its work away: it has no terms to set")

    async def status() -> object:
        return work.status()

    refused = ("setOrchestratorConfig", "setPriceForBroadcaster", "setMaxFaceValue")
    setters = {name: Setter((), free) for name in refused}
    return build_admin({"status": status}, {**setters, "setMaxSessions": _sessions_setter(work)})


def _sessions_setter(work: WorkService) -> Setter:
    def set_max_sessions(form: Form) -> None:
        if form["maxSessions"].strip() == "auto":
            work.set_max_sessions(AUTO)
            return
        limit = whole(form, "maxSessions", low=1)
        if limit > MAX_SESSIONS:
            raise InvalidInput(f"maxSessions: at most {MAX_SESSIONS}")
        work.set_max_sessions(limit)

    return Setter(("maxSessions",), set_max_sessions)


def orchestrator_admin(dials: Dials, work: WorkService) -> web.Application:
    """An orchestrator's setters: prices, sessions, face value."""

    def set_price(form: Form) -> None:
        book = dials.selling.book
        dials.selling.ask(replace(book, base=replace(book.base, default=price(form, "pricePerUnit"))))

    def set_price_for(form: Form) -> None:
        sender = parse_address(form["broadcasterEthAddr"].strip())
        book = dials.selling.book
        senders = {**book.base.senders, sender: price(form, "pricePerUnit")}
        dials.selling.ask(replace(book, base=replace(book.base, senders=senders)))

    def set_max_face_value(form: Form) -> None:
        limit = whole(form, "maxfacevalue")
        if limit > MAX_UINT256:
            raise InvalidInput("maxfacevalue: at most 256 bits")
        dials.set_max_face_value(Wei(limit))

    async def status() -> object:
        book, base = dials.selling.book.base, dials.prices.base
        default = str(base.default) if base.untold is None else f"unavailable: {base.untold}"
        own = {f"0x{sender.hex()}": str(its) for sender, its in base.senders.items()}
        own |= {f"0x{sender.hex()}": f"unavailable: {reason}" for sender, reason in base.untold_senders.items()}
        asked: dict[str, object] = {}
        if isinstance(book.default, Amount):
            asked["BasePrice"] = f"{book.default} per pixel"
        if dials.feed is not None:
            asked["PriceFeed"] = dials.feed.status()
        return {**work.status(), "BroadcasterPrices": {"default": default, **own}, **asked}

    return build_admin(
        {"status": status},
        {
            "setOrchestratorConfig": Setter(("pricePerUnit", "pixelsPerUnit"), set_price),
            "setPriceForBroadcaster": Setter(("pricePerUnit", "pixelsPerUnit", "broadcasterEthAddr"), set_price_for),
            "setMaxSessions": _sessions_setter(work),
            "setMaxFaceValue": Setter(("maxfacevalue",), set_max_face_value),
        },
    )
