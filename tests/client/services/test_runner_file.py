"""Live runners of a file: sold while they are healthy, read again when the file changes."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from livepeer_client.adapters.runner_file import read_runner_file
from livepeer_client.codec.runner_file import MAX_ENTRIES, MAX_FILE_BYTES, decode_runner_file
from livepeer_client.errors import InvalidInput, LivepeerError, MalformedMessage, PeerTimeout
from livepeer_client.policy.fiat import FeedPrice, Pair
from livepeer_client.policy.runners import TTL_S
from livepeer_client.services.runner_file import HEALTH_S, RunnerFile
from tests.support.ai import SECRET, until
from tests.support.live_runners import PAYER, PRICE, Harbour, harbour

PRICED = {"price": PRICE * 3600, "currency": "wei", "unit": "hour"}


def entry(url: str, label: str = "one", **changes: Any) -> dict[str, Any]:
    return {
        "label": label,
        "runner_url": url,
        "health_url": "/health",
        "app": f"{label}/app",
        "price_info": PRICED,
        **changes,
    }


class Shelf:
    """A harbour with a file, and what its runners' health URLs answer."""

    def __init__(self, scene: Harbour, path: Path) -> None:
        self.scene = scene
        self.path = path
        self.statuses: dict[str, int | LivepeerError] = {}
        self.asked: list[tuple[str, float]] = []
        self.file = RunnerFile(
            partial(read_runner_file, path), scene.desk.registry, self._health, scene.shop.shop.clock
        )

    async def _health(self, url: str, timeout_s: float) -> int:
        self.asked.append((url, timeout_s))
        found = self.statuses.get(url, 200)
        if isinstance(found, LivepeerError):
            raise found
        return found

    def write(self, *entries: dict[str, Any]) -> None:
        self.path.write_text(json.dumps({"runners": list(entries)}))

    def one(self, label: str = "one", **changes: Any) -> dict[str, Any]:
        return entry(self.scene.echo.url, label, **changes)

    async def listed(self) -> dict[str, dict[str, Any]]:
        return {each["app"].partition("/")[0]: each for each in await self.scene.runners()}


@asynccontextmanager
async def shelf(folder: Path, **settings: Any) -> AsyncIterator[Shelf]:
    async with harbour(folder, **settings) as scene:
        yield Shelf(scene, folder / "runners.json")


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Shelf]:
    async with shelf(tmp_path) as opened:
        yield opened


# --- the file -------------------------------------------------------------------------------------


def test_decode__every_field__is_carried_and_the_rest_has_its_default() -> None:
    full = {
        **entry("http://runner:8080/base", "l40s", routing="label", health_url="http://runner:9/up"),
        "healthy_status_code": 204,
        "version": "1.4.0",
        "metadata": "eu",
        "mode": "single_shot",
        "capacity": 2,
        "gpu": {"id": "0", "name": "L40S", "vram_mb": 46068},
        "price_info": {"price": 3.5},
    }
    first, second = decode_runner_file(json.dumps({"runners": [full, entry("http://b:1", "b", gpu=3)]}).encode())
    assert (first.label, first.by_label, first.health_url, first.healthy_status) == (
        "l40s",
        True,
        "http://runner:9/up",
        204,
    )
    report = first.report
    assert (report.mode, report.capacity, report.version, report.metadata) == ("single-shot", 2, "1.4.0", "eu")
    assert (report.currency, report.unit, float(report.price)) == ("usd", "hour", 3.5)
    assert (second.by_label, second.health_url, second.healthy_status) == (False, "http://b:1/health", 200)
    assert (second.report.mode, second.report.capacity, second.report.gpu) == ("persistent", 1, {"id": "3"})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"label": ""}, "label"),
        ({"label": " one"}, "label"),
        ({"label": "a/b", "routing": "label"}, "a label that routes"),
        ({"routing": "name"}, "routing must be one of runner-id, label"),
        ({"runner_url": "ftp://x"}, "runner_url"),
        ({"runner_url": "http://x/?q"}, "runner_url"),
        ({"health_url": None}, "health_url"),
        ({"health_url": "health"}, "health_url"),
        ({"health_url": "//evil/health"}, "health_url"),
        ({"health_url": "/a b"}, "health_url"),
        ({"health_url": "/a\r\nX: y"}, "health_url"),
        ({"healthy_status_code": 600}, "healthy_status_code"),
        ({"healthy_status_code": True}, "healthy_status_code"),
        ({"app": ""}, "missing app"),
        ({"metadata": "x" * 1025}, "metadata"),
        ({"mode": "forever"}, "mode"),
        ({"capacity": -1}, "capacity"),
        ({"gpu": "0"}, "gpu"),
        ({"price_info": None}, "price_info"),
        ({"capicity": 2}, "unknown field 'capicity'"),
    ],
)
def test_decode__runner_that_makes_no_sense__is_refused_by_label_and_field(changes: dict[str, Any], told: str) -> None:
    data = json.dumps({"runners": [entry("http://fine:1", "fine"), entry("http://a:1") | changes]}).encode()
    with pytest.raises(MalformedMessage, match="file of runners: runner ") as refused:
        decode_runner_file(data)
    assert told in refused.value.detail


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "not JSON"),
        (b"[]", "must be"),
        (b'{"runners": {}}', "must be"),
        (b'{"runners": [], "more": 1}', "must be"),
        (b'{"runners": [7]}', "runner 0 is not an object"),
        (b'{"runners": [{}]}', "runner 0: label"),
        (
            json.dumps({"runners": [entry("http://a:1"), entry("http://b:1")]}).encode(),
            "two runners with the label 'one'",
        ),
        (b'{"runners": [' + b"{}," * MAX_ENTRIES + b"{}]}", "at most 256"),
    ],
)
def test_decode__no_list_of_runners__is_refused_with_the_reason(data: bytes, told: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        decode_runner_file(data)
    assert told in refused.value.detail


def test_read__file_that_is_missing_or_too_long__is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        read_runner_file(tmp_path / "none")
    (tmp_path / "long").write_bytes(b" " * (MAX_FILE_BYTES + 1))
    with pytest.raises(InvalidInput, match="more than 1048576 bytes"):
        read_runner_file(tmp_path / "long")


# --- health ---------------------------------------------------------------------------------------


async def test_start__healthy_runner__is_listed_and_sold_under_its_label(it: Shelf) -> None:
    it.write(it.one(routing="label"))
    await it.file.start()
    assert it.asked == [(f"{it.scene.echo.url}/health", HEALTH_S)]
    listed = (await it.listed())["one"]
    assert listed["url"] == f"{it.scene.shop.uri}/apps/one/session"
    session, _ = await it.scene.session("one")
    assert (await it.scene.http.get(f"/apps/one/session/{session}/app/x")).json()["path"] == "/x"


@pytest.mark.parametrize("answer", [500, 204, PeerTimeout("runner", "no health in time")])
async def test_start__runner_that_is_not_healthy__is_neither_listed_nor_sold_until_it_is(
    it: Shelf, answer: int | LivepeerError
) -> None:
    it.write(it.one(routing="label"))
    health = f"{it.scene.echo.url}/health"
    it.statuses[health] = answer
    await it.file.start()
    assert await it.listed() == {}
    assert (await it.scene.http.post("/apps/one/session", headers=PAYER)).status_code == 404
    it.statuses[health] = 200
    await it.file.check()
    assert set(await it.listed()) == {"one"}


async def test_check__runner_that_falls_ill__sells_nothing_more_and_loses_its_sessions_after_the_ttl(it: Shelf) -> None:
    it.write(it.one(routing="label"))
    await it.file.start()
    session, _ = await it.scene.session("one", 30)
    it.statuses[f"{it.scene.echo.url}/health"] = 503
    await it.file.check()
    assert await it.listed() == {}
    assert (await it.scene.http.post("/apps/one/session", headers=PAYER)).status_code == 503
    await it.scene.pass_time(TTL_S - 1)
    assert it.scene.desk.session("one", session) is not None
    await it.scene.pass_time(3)
    assert it.scene.desk.session("one", session) is None
    # Nobody pays for the time in which it did not answer, but for what a heartbeat would have covered.
    assert it.scene.charged == 5 * PRICE
    it.statuses.clear()
    await it.file.check()
    assert (await it.listed())["one"]["capacity_used"] == 0


async def test_run__as_time_passes__reads_and_checks_every_five_seconds(it: Shelf) -> None:
    it.write(it.one())
    await it.file.start()
    running = asyncio.create_task(it.file.run())
    try:
        await asyncio.sleep(0)
        it.write(it.one("two"))
        await it.scene.shop.shop.clock.advance(5)
        await until(lambda: len(it.asked) == 2)
        assert set(await it.listed()) == {"two"}
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


# --- changes --------------------------------------------------------------------------------------


async def test_read_again__changed_file__keeps_ids_and_sessions_by_label_and_ends_what_is_gone(it: Shelf) -> None:
    it.write(it.one(), it.one("two"))
    await it.file.start()
    before = await it.listed()
    kept, gone = before["one"]["runner_id"], before["two"]["runner_id"]
    (running, _), (ending, _) = await it.scene.session(kept), await it.scene.session(gone)
    it.write(it.one(capacity=5), it.one("three"))
    await it.file.read_again()
    await it.file.check()
    after = await it.listed()
    assert set(after) == {"one", "three"}
    assert (after["one"]["runner_id"], after["one"]["capacity"], after["one"]["capacity_used"]) == (kept, 5, 1)
    assert it.scene.desk.session(kept, running) is not None
    assert it.scene.desk.session(gone, ending) is None


@pytest.mark.parametrize("bad", [b"{", b'{"runners": [{"label": "x"}]}', None])
async def test_read_again__bad_file__says_so_once_and_the_list_before_stays(
    it: Shelf, bad: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    it.write(it.one(), it.one("two"))
    await it.file.start()
    before = await it.listed()
    if bad is None:
        it.path.unlink()
    else:
        it.path.write_bytes(bad)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            await it.file.read_again()
    assert len([each for each in caplog.records if "the list before stays" in each.message]) == 1
    assert await it.listed() == before
    it.write(it.one())
    await it.file.read_again()
    assert set(await it.listed()) == {"one"}


async def test_start__bad_file__is_refused_and_places_none_of_it(it: Shelf) -> None:
    it.write(it.one(), it.one("two", price_info={"price": 1, "currency": "usd"}))
    with pytest.raises(InvalidInput, match=r"runner 'two': .*no price feed"):
        await it.file.start()
    assert await it.listed() == {}
    assert it.asked == []


async def test_start__priced_in_dollars_while_the_feed_has_no_price__is_listed_once_it_has(tmp_path: Path) -> None:
    rates: list[FeedPrice] = []
    async with shelf(tmp_path, feed=lambda: rates[-1] if rates else None) as it:
        it.write(it.one(price_info={"price": 3.6, "currency": "usd", "unit": "hour"}))
        await it.file.start()
        assert await it.listed() == {}
        rates.append(FeedPrice(Pair("ETH", "USD"), Fraction(2000), 0))
        assert (await it.listed())["one"]["price_info"]["price"] == 10**15 // 2000


# --- beside those that report ---------------------------------------------------------------------


async def test_heartbeat__with_the_name_of_a_runner_of_the_file__is_409(it: Shelf) -> None:
    it.write(it.one(routing="label"))
    await it.file.start()
    taken = await it.scene.heartbeat(runner_id="one", runner_url="http://elsewhere:1")
    assert taken.status_code == 409
    assert (await it.scene.heartbeat("", runner_id="one")).status_code == 401
    left = await it.scene.http.post("/runners/one/unregister", headers={"Authorization": SECRET})
    assert left.status_code == 404
    assert set(await it.listed()) == {"one"}


async def test_place__name_of_one_that_reports__takes_it_and_ends_its_sessions(it: Shelf) -> None:
    runner = await it.scene.join(runner_id="one")
    session, _ = await it.scene.session(runner)
    it.write(it.one(routing="label"))
    await it.file.start()
    assert it.scene.desk.session("one", session) is None
    assert (await it.listed())["one"]["app"] == "one/app"


async def test_heartbeat__where_nobody_may_register__is_404(tmp_path: Path) -> None:
    async with shelf(tmp_path, registration=None) as it:
        answer = await it.scene.heartbeat()
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == "dynamic live runner registration is disabled"
