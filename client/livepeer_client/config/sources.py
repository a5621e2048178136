"""Where settings come from besides the file: the environment and the command line, and who won.

`LIVEPEER_CHAIN_RPC_URL` is `rpc_url` of `[chain]`: the table up to the first underscore, the key after it. Flags go
before the environment, which goes before the file. Keys of tables in tables are set in the file alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from livepeer_client.errors import ConfigError

PREFIX: Final = "LIVEPEER_"
HIDDEN: Final = "(hidden)"


class Given(str):
    """A value that was not in the file, still as text, and where it was."""

    __slots__ = ("origin",)

    origin: str

    def __new__(cls, text: str, origin: str) -> "Given":
        made = super().__new__(cls, text)
        made.origin = origin
        return made


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it was taken. `shown` is for people: what may carry a secret is left out of it."""

    table: str
    key: str
    shown: str
    origin: str


@dataclass(slots=True)
class Sources:
    """Values from outside the file by table and key; `taken` grows as settings are read."""

    given: Mapping[str, Mapping[str, Given]] = field(default_factory=dict)
    taken: list[Setting] = field(default_factory=list)

    def of(self, table: str) -> Mapping[str, Given]:
        return self.given.get(table, {})

    def took(self, table: str, key: str, value: Any, origin: str) -> None:
        self.taken.append(Setting(table, key, _shown(key, value), origin))


def gather(environ: Mapping[str, str], flags: Sequence[str]) -> Sources:
    """The environment's variables with `PREFIX`, and flags of the form `table.key=value`.

    :raises ConfigError: a flag of another form.
    """
    found: dict[str, dict[str, Given]] = {}
    for name, text in sorted(environ.items()):
        table, _, key = name.removeprefix(PREFIX).lower().partition("_")
        if name.startswith(PREFIX) and table and key:
            found.setdefault(table, {})[key] = Given(text, f"environment {name}")
    for flag in flags:
        name, sign, text = flag.partition("=")
        table, dot, key = name.strip().partition(".")
        if not (sign and dot and table and key):
            # The value may be a secret, so it is not repeated.
            raise ConfigError(f"--set {name}: expected table.key=value")
        found.setdefault(table, {})[key] = Given(text, f"flag --set {table}.{key}")
    return Sources(found)


def _shown(key: str, value: Any) -> str:
    if key.endswith(("url", "urls")):
        # Access keys and passwords are part of URLs.
        urls = value.split(",") if isinstance(value, Given) else value if isinstance(value, list) else [value]
        return ", ".join(_host_of(url) for url in urls)
    if key.endswith("headers") and isinstance(value, Mapping):
        # Such as Authorization.
        return ", ".join(f"{name} = {HIDDEN}" for name in value)
    return "" if value is None else str(value)


def _host_of(url: Any) -> str:
    if not isinstance(url, str):
        return "" if url is None else HIDDEN
    try:
        parts = urlsplit(url.strip())
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return HIDDEN
    rest = f"/{HIDDEN}" if parts.path.strip("/") or parts.query or parts.username else ""
    return f"{parts.scheme}://{parts.hostname}{port}{rest}"
