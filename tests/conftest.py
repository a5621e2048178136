"""Test settings shared by all suites: hypothesis profiles, and a record of what ran for the conformance test."""

import json
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from scripts._ports import free_port
from tests.support.chromium import chromium
from tests.support.postgres import postgres_server

__all__ = ["chromium", "postgres_server"]  # fixtures of every suite

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / ".cache" / "test-records"

# The same examples in every run: one that fails fails everywhere, and no run fails for an example of its own.
settings.register_profile(
    "default", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
# Others in each run; what failed is printed so that it can be repeated.
settings.register_profile(
    "thorough", parent=settings.get_profile("default"), derandomize=False, print_blob=True, max_examples=1000
)
# Under the EVM that counts lines, which is slow.
settings.register_profile("counting", parent=settings.get_profile("default"), max_examples=5)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture
def unused_tcp_port() -> int:
    """In place of pytest-asyncio's, whose ports the kernel may have given to another process by the time of use."""
    return free_port()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", metavar="SUITE", help="write each test's outcome to .cache/test-records/SUITE.json")


class _Recorder:
    """Outcome of every test of a run: `passed`, `failed`, or `skipped: <reason>`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.outcomes[report.nodeid] = "failed"
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.outcomes[report.nodeid] = "skipped: " + reason.removeprefix("Skipped: ")
        elif report.when == "call":
            self.outcomes[report.nodeid] = "passed"

    def pytest_sessionfinish(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.outcomes, indent=1, sort_keys=True))


def pytest_configure(config: pytest.Config) -> None:
    # A shell has what it starts in the background ignore this, and children inherit that; tests interrupt both.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    suite = config.getoption("--record")
    if suite:
        config.pluginmanager.register(_Recorder(RECORDS / f"{suite}.json"))
