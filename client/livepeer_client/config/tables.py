"""A TOML file read key by key: every value checked when it is taken, and no key left that nobody took."""

import ipaddress
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from livepeer_client.codec.address import parse_address
from livepeer_client.config.sources import PREFIX, Given, Sources
from livepeer_client.errors import ConfigError, InvalidInput
from livepeer_client.types import Address, Wei

INT64_MAX: Final = 2**63 - 1
"""Prices travel as a pair of int64 (offchain-payments 7)."""


_REQUIRED: Final = object()


class Table:
    """One table of a file, read key by key; `finish` refuses what nobody read."""

    def __init__(self, file: Path, name: str, values: Mapping[str, Any], sources: Sources | None = None) -> None:
        self._file = file
        self._name = name
        self._sources = Sources() if sources is None else sources
        self._left = {**values, **self._sources.of(name)}
        self._known: list[str] = []
        self._origins = {key: value.origin for key, value in self._left.items() if isinstance(value, Given)}

    def refuse(self, key: str, expected: str, found: object) -> ConfigError:
        shown = "nothing" if found is _REQUIRED else repr(found)
        where = self._origins.get(key, self._file)
        return ConfigError(f"{where}: [{self._name}] {key}: expected {expected}, found {shown}")

    def take(
        self,
        key: str,
        expected: str,
        good: Callable[[Any], bool],
        default: Any = _REQUIRED,
        *,
        read: Callable[[str], Any] = str,
    ) -> Any:
        """One value. `read` makes it of the text of a flag or of the environment; ValueError if it is none."""
        value = self._pop(key, default)
        if isinstance(value, Given):
            try:
                value = read(value)
            except ValueError:
                raise self.refuse(key, expected, str(value)) from None
        if value is _REQUIRED or not good(value):
            raise self.refuse(key, expected, value)
        return value

    def _pop(self, key: str, default: Any) -> Any:
        """Take a value as it is, and note where it came from."""
        self._known.append(key)
        origin = self._origins.get(key, "default" if key not in self._left else str(self._file))
        value = self._left.pop(key, default)
        if value is not _REQUIRED:
            self._sources.took(self._name, key, value, origin)
        return value

    def text(self, key: str, default: Any = _REQUIRED) -> str:
        value: str = self.take(key, "a non-empty string", lambda v: isinstance(v, str) and bool(v), default)
        return value

    def path(self, key: str) -> Path:
        """Relative ones start at the file's folder; those of a flag or the environment where the command was given."""
        base = Path.cwd() if key in self._origins else self._file.parent
        return base / Path(self.text(key)).expanduser()

    def address(self, key: str) -> Address:
        """An account's."""
        text = self.text(key)
        try:
            return parse_address(text)
        except InvalidInput:
            raise self.refuse(key, "an address", text) from None

    def optional_path(self, key: str) -> Path | None:
        if key in self._left:
            return self.path(key)
        self._known.append(key)
        return None

    def flag(self, key: str, default: bool) -> bool:
        value: bool = self.take(key, "true or false", lambda v: isinstance(v, bool), default, read=_flag)
        return value

    def integer(self, key: str, default: Any = _REQUIRED, *, low: int = 0, high: int = INT64_MAX) -> int:
        def good(value: Any) -> bool:
            return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

        value: int = self.take(key, f"an integer in [{low}, {high}]", good, default, read=int)
        return value

    def integer_or_auto(self, key: str, default: int, *, low: int, high: int) -> int | None:
        """An integer, or None for "auto"."""

        def good(value: Any) -> bool:
            return value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and low <= value <= high)

        value: int | str = self.take(key, f'an integer in [{low}, {high}] or "auto"', good, default)
        return None if isinstance(value, str) else value

    def seconds(self, key: str, default: Any = _REQUIRED) -> float:
        def good(value: Any) -> bool:
            return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 86_400

        return float(self.take(key, "seconds in (0, 86400]", good, default, read=float))

    def names(self, key: str) -> list[str]:
        def good(value: Any) -> bool:
            return isinstance(value, list) and all(isinstance(item, str) for item in value)

        value: list[str] = self.take(key, "a list of strings", good, [], read=_items)
        return value

    def urls_of_one(self, key: str) -> list[str]:
        """One URL, as a list of one."""
        if key not in self._origins:
            self._left[key] = [self._left[key]]
        return self.urls(key, "an http(s) URL")

    def optional_url(self, key: str) -> str | None:
        if self.has(key):
            return self.urls_of_one(key)[0]
        self.know((key,))
        return None

    def urls(self, key: str, expected: str = "a list of http(s) URLs") -> list[str]:
        value = self._pop(key, [])
        if isinstance(value, Given):
            value = _items(value)
        if not isinstance(value, list) or not all(
            isinstance(url, str) and urlsplit(url).scheme in ("http", "https") for url in value
        ):
            # A URL may carry a key, so it is not repeated.
            raise self.refuse(key, expected, "something else")
        return value

    def store_url(self) -> str | None:
        """Where a PostgreSQL store is; without, the store is a file in `data_dir`."""
        value = self._pop("store_url", None)
        if value is not None and not (isinstance(value, str) and urlsplit(value).scheme in ("postgresql", "postgres")):
            # It may carry a password, so it is not repeated.
            raise self.refuse("store_url", "a postgresql:// URL", "something else")
        return value

    def has(self, key: str) -> bool:
        return key in self._left

    @property
    def left(self) -> list[str]:
        """Keys that nobody has read yet."""
        return list(self._left)

    def know(self, keys: Iterable[str]) -> None:
        """Keys that are not there and need not be."""
        self._known += keys

    def amount(self, key: str) -> Wei | None:
        """Wei; None, where the key is not there, is not 0."""
        if self.has(key):
            return Wei(self.integer(key, high=2**256 - 1))
        self.know([key])
        return None

    def host_port(self, key: str) -> tuple[str, int]:
        """`host:port`, an IPv6 address in brackets."""
        value = self.text(key)
        host, _, port = value.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        # An IPv6 address takes brackets, or its last group could be meant as the port.
        fits = (host == f"[{bare}]" and _is_ipv6(bare)) if ":" in host else bool(host) and host == bare
        if not fits or not port.isdecimal() or int(port) > 65_535:
            raise self.refuse(key, "host:port", value)
        return bare, int(port)

    def finish(self) -> None:
        if self._left:
            stray = ", ".join(sorted(self._left))
            known = ", ".join(sorted(self._known))
            raise ConfigError(f"{self._file}: [{self._name}] {stray}: unknown key, expected one of {known}")


class Document:
    """A file, or nothing but `sources`, which go before what the file says."""

    def __init__(self, file: str | Path | None, sources: Sources | None = None) -> None:
        self._sources = Sources() if sources is None else sources
        self._left: dict[str, Any] = {}
        self._from_file = file is not None
        if file is None:
            self._file = Path.cwd() / "(no settings file)"
            return
        self._file = Path(file).absolute()
        try:
            with self._file.open("rb") as source:
                self._left = tomllib.load(source)
        except OSError as error:
            raise ConfigError(f"{self._file}: cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self._file}: not TOML: {error}") from error

    def table(self, name: str, *, required: bool) -> Table:
        values = self._left.pop(name, None)
        if values is None and required and not self._sources.of(name):
            if not self._from_file:
                variable = f"{PREFIX}{name.upper()}_..."
                raise ConfigError(f"no settings for [{name}]: name a settings file, or set {variable}")
            others = ", ".join(f"[{other}]" for other in self._left)
            rest = f"; left to read are {others}" if others else ""
            raise ConfigError(f"{self._file}: [{name}]: expected a table, found nothing{rest}")
        if values is not None and not isinstance(values, dict):
            raise ConfigError(f"{self._file}: [{name}]: expected a table, found {values!r}")
        return Table(self._file, name, values or {}, self._sources)

    @property
    def names(self) -> list[str]:
        """Tables that nobody has read yet."""
        return [*self._left]

    @property
    def file(self) -> Path:
        return self._file

    def has(self, name: str) -> bool:
        return name in self._left

    def peek(self, table: str, key: str) -> object:
        """A value as it stands, which is not thereby read; None without one."""
        values = self._left.get(table)
        in_file = values.get(key) if isinstance(values, dict) else None
        return self._sources.of(table).get(key, in_file)

    def tables(self, name: str) -> list[Table]:
        """All of `[[name]]`, none if it is not there."""
        values = self._left.pop(name, [])
        if not isinstance(values, list) or not all(isinstance(each, dict) for each in values):
            raise ConfigError(f"{self._file}: [[{name}]]: expected tables, found {values!r}")
        return [Table(self._file, f"{name} {number}", each) for number, each in enumerate(values, start=1)]

    def finish(self) -> None:
        if self._left:
            raise ConfigError(f"{self._file}: {', '.join(sorted(self._left))}: unknown table or key")


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
