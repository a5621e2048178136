"""A node's administration over HTTP (offchain-network 7): form values in, JSON or plain text out. Loopback only.

Readers are GET routes that answer JSON. Setters are POST routes with form values; a missing one is 400
`missing form param: X`. A request that a browser sends for a page is refused: every page may reach loopback.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from aiohttp import web

from livepeer_client.errors import InvalidInput, LivepeerError
from livepeer_client.policy.fiat import parse_amount
from livepeer_client.policy.price_book import Money, per_unit

MAX_FORM_BYTES: Final = 1 << 16
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")

Form = Mapping[str, str]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Setter:
    """`fields` must be there; `apply` raises `InvalidInput` for what makes no sense, and then changes nothing."""

    fields: tuple[str, ...]
    apply: Callable[[Form], None]


Reader = Callable[[], Awaitable[object]]


def build_admin(readers: Mapping[str, Reader], setters: Mapping[str, Setter]) -> web.Application:
    """Routes such as `/status` and `/setMaxSessions`, with those for the log level."""
    app = web.Application(client_max_size=MAX_FORM_BYTES, middlewares=[_no_browsers])
    everything = {**setters, "setLogLevel": Setter(("loglevel",), _set_level)}
    for name, reader in {**readers, "getLogLevel": _level}.items():
        app.router.add_get(f"/{name}", _reading(reader))
    for name, setter in everything.items():
        app.router.add_post(f"/{name}", _setting(name, setter))
    return app


@web.middleware
async def _no_browsers(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    host = request.host.rpartition(":")[0] if not request.host.endswith("]") else request.host
    if "Origin" in request.headers or "Referer" in request.headers or host.strip("[]") not in _OWN_NAMES:
        return web.Response(status=403, text="not for browsers\n")
    return await handler(request)


_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1", ""})


def _reading(reader: Reader) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        try:
            return web.json_response(await reader())
        except LivepeerError as error:
            return web.Response(status=500, text=f"{error}\n")

    return handle


def _setting(name: str, setter: Setter) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        form = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
        for field in setter.fields:
            if field not in form:
                return web.Response(status=400, text=f"missing form param: {field}\n")
        try:
            setter.apply(form)
        except InvalidInput as error:
            return web.Response(status=400, text=f"{error}\n")
        _log.info("changed by the operator: %s %s", name, _said(form, setter.fields))
        return web.Response(text="ok\n")

    return handle


def _said(form: Form, fields: tuple[str, ...]) -> str:
    return " ".join(f"{field}={form[field]}" for field in (*fields, "currency") if field in form)


def whole(form: Form, field: str, *, low: int = 0) -> int:
    """A number of a form.

    :raises InvalidInput: it is none, below `low`, or beyond 256 bits.
    """
    text = form[field].strip()
    if not text.isascii() or not text.isdecimal() or len(text) > 78 or int(text) < low:
        raise InvalidInput(f"{field}: {text!r} is no whole number from {low} on")
    return int(text)


def price(form: Form, name: str) -> Money:
    """The price of one unit from the field `name`, `pixelsPerUnit` and, where it is there, `currency`; else whole wei.

    :raises InvalidInput: as `whole`, or no amount of money.
    """
    per, currency = whole(form, "pixelsPerUnit", low=1), form.get("currency", "").strip()
    if not currency:
        return Fraction(whole(form, name), per)
    amount = parse_amount(form[name])
    if amount.currency:
        raise InvalidInput(f"{name}: {form[name]!r} has a currency already")
    return per_unit(parse_amount(f"{form[name].strip()} {currency}"), per)


async def _level() -> object:
    return {"loglevel": logging.getLevelName(logging.getLogger("livepeer_client").getEffectiveLevel())}


def _set_level(form: Form) -> None:
    level = form["loglevel"].strip().upper()
    if level not in LEVELS:
        raise InvalidInput(f"loglevel: {level!r} is none of {', '.join(LEVELS)}")
    logging.getLogger("livepeer_client").setLevel(level)
