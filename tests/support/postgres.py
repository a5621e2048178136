"""A real PostgreSQL for the tests: made in a temporary folder when first asked for, gone with the test session.

The programs are those of Debian's `postgresql` package, installed if they are missing and this is root, or whatever is
in the folder `POSTGRES_BIN` if that is set. Where they cannot be had the tests that need them are skipped, for
`ABSENT`; with `CI` set they fail instead.
"""

import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

ABSENT = "PostgreSQL's programs are not here and cannot be installed"
TABLES = (
    *("batch_tickets", "batch_transactions", "winners", "batches", "sessions", "leases", "nonces", "quotes"),
    *("cursor_blocks", "cursors"),
)
"""Of a ticket store, in an order in which they can be emptied."""
KEEPER = Path(__file__).with_name("postgres_keeper.py")


class Server:
    """A server of this session alone. `dsn` connects without a password, over a socket in a private folder.

    It waits for the disk only if it is `durable`.
    """

    def __init__(self, binaries: Path, *, durable: bool = False) -> None:
        self.folder = Path(tempfile.gettempdir()) / f"livepeer-postgres-{secrets.token_hex(6)}"
        self.dsn = f"postgresql://livepeer@/postgres?host={self.folder}"
        self._keeper = subprocess.Popen(
            [sys.executable, KEEPER, binaries, self.folder, _unprivileged_user(), *(["durable"] if durable else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._await_ready()

    def restart(self) -> None:
        """Kill the server as a crash would, and start it again."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.write("restart\n")
        self._keeper.stdin.flush()
        self._await_ready()

    def stop(self) -> None:
        self._keeper.communicate(timeout=60)

    def _await_ready(self) -> None:
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != "ready\n":
            pytest.fail(f"PostgreSQL did not start: {self._keeper.communicate()[1]}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    binaries = find_binaries() or _install()
    if binaries is None:
        if os.environ.get("CI"):
            pytest.fail(ABSENT)
        pytest.skip(ABSENT)
    server = Server(binaries)
    yield server
    server.stop()


@asynccontextmanager
async def new_namespace(server: Server) -> AsyncIterator[str]:
    """The name of a namespace that nobody else uses, dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    yield name
    connection = await asyncpg.connect(server.dsn)
    try:
        await connection.execute("SET client_min_messages = warning")
        await connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
    finally:
        await connection.close()


@asynccontextmanager
async def new_database(server: Server) -> AsyncIterator[str]:
    """How to connect to a database that nobody else uses, for nodes, which take the namespaces they are used to."""
    name = f"test_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(server.dsn)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        try:
            yield server.dsn.replace("/postgres?", f"/{name}?")
        finally:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


def find_binaries() -> Path | None:
    """The folder of `postgres` and `initdb`, of the newest version there is."""
    wanted, found = os.environ.get("POSTGRES_BIN"), shutil.which("postgres")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    places = [Path(wanted)] if wanted else places
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


def _install() -> Path | None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0 or "POSTGRES_BIN" in os.environ:
        return None
    # At this run level Debian's scripts start no server of their own.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "postgresql"]):
        subprocess.run([apt, *command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return find_binaries()


def _unprivileged_user() -> str:
    """Whom to run as: ourselves, or somebody else if we are root."""
    if os.geteuid() != 0:
        return "-"
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)
