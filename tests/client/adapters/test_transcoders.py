"""Remote transcoders over real gRPC and HTTP: joining, tasks, results by both HTTP versions, and peers that lie."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import grpc.aio
import httpx
import pytest

from livepeer_client.adapters.fakes import FakeTranscoder
from livepeer_client.adapters.worker_server import Secret
from livepeer_client.codec import worker_api
from livepeer_client.codec.capability import job_capabilities
from livepeer_client.codec.messages import Slice
from livepeer_client.codec.worker_api import TranscoderJoins
from livepeer_client.errors import ConfigError, MediaError, PeerRefused
from livepeer_client.policy.workers import Nobody
from livepeer_client.services.transcoders import TOO_LONG
from livepeer_client.services.workers import MAX_CAPACITY, MAX_LATE
from livepeer_client.types import Hash32
from tests.support.farm import OFFERS, Farm, Hand, SlowTranscoder, credentials, joins, parts
from tests.support.shop import PROFILES, SEGMENT


@pytest.fixture
async def farm(tmp_path: Path) -> AsyncIterator[Farm]:
    async with Farm(tmp_path).serving() as farm:
        yield farm


# --- joining --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "text"),
    [(joins(secret="a secret of others, no"), "invalid secret"), (joins(capacity=0), "zero capacity")],
    ids=["wrong secret", "no capacity"],
)
async def test_register__refused__says_so_and_the_worker_gives_up(
    farm: Farm, request_: TranscoderJoins, text: str
) -> None:
    async with farm.link() as link:
        with pytest.raises(PeerRefused) as caught:
            async for _ in link.segment_tasks(request_, lambda: None):
                pass

    assert caught.value.reason == text
    assert len(farm.remote.pool) == 0


async def test_register__a_worker_told_its_secret_is_wrong__does_not_try_again(farm: Farm) -> None:
    async with farm.link() as link:
        hand = Hand(farm, link, FakeTranscoder(), 1)
        hand.worker._joins = joins(secret="not the secret at all")

        with pytest.raises(PeerRefused, match="invalid secret"):
            await asyncio.wait_for(hand.worker.run(hand.stop), 60)


@pytest.mark.parametrize("capacity", [2**62, MAX_CAPACITY + 1])
async def test_register__more_capacity_than_anybody_has__is_cut(farm: Farm, capacity: int) -> None:
    async with farm.raw(capacity=capacity):
        assert farm.remote.pool.capacity == MAX_CAPACITY


async def test_register__joins_and_leaves__is_advertised_and_no_longer(farm: Farm) -> None:
    async with farm.worker():
        assert farm.board.capabilities.bits == OFFERS.bits
        async with farm.raw():
            assert farm.board.capabilities.capacities[0] == 2
        await farm.until(lambda: farm.board.capabilities.capacities[0] == 1)
    await farm.until(lambda: not farm.board.capabilities.bits)


def test_secret__too_short__is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 16"):
        Secret("short")


async def test_register__bytes_that_are_no_message__are_internal(farm: Farm) -> None:
    root = grpc.ssl_channel_credentials(farm.path.read_bytes())
    async with grpc.aio.secure_channel(farm.uri.removeprefix("https://"), root) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in channel.unary_stream("/net.Transcoder/RegisterTranscoder")(b"\x0a\x20too short"):
                pass

    assert caught.value.code() is grpc.StatusCode.INTERNAL


# --- work -----------------------------------------------------------------------------------------


async def test_transcode__by_a_remote_one__gives_what_the_local_one_gives(farm: Farm) -> None:
    async with farm.worker():
        remote = await farm.remote.transcode(SEGMENT, credentials())

    assert remote == await FakeTranscoder().transcode(SEGMENT, credentials())


@pytest.mark.parametrize("http2", [True, False], ids=["HTTP/2", "HTTP/1.1"])
async def test_results__as_a_go_transcoder_posts_them__are_taken(farm: Farm, http2: bool) -> None:
    async with farm.raw() as raw:
        work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials()))
        task = await raw.task()
        async with farm.link() as link:
            fetched = await link.fetch(task.url)
        answer = await raw.post(task.task_id, http2=http2)
        renditions = await work

    assert (answer.status_code, answer.text, answer.http_version) == (200, "OK\n", "HTTP/2" if http2 else "HTTP/1.1")
    assert fetched == SEGMENT
    assert task.credentials == replace(credentials(), hash=Hash32(bytes(32)))
    assert [(each.data, each.profile) for each in renditions] == [(b"first", PROFILES[0]), (b"second", PROFILES[1])]


async def test_results__with_perceptual_hashes__keep_each_with_its_rendition(farm: Farm) -> None:
    async with farm.raw() as raw:
        work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials()))
        task = await raw.task()
        body = parts([(b"1", 1000), (b"hash 1", None), (b"2", 1000), (b"hash 2", None)])
        assert (await raw.post(task.task_id, body=body)).status_code == 200

        assert [each.perceptual_hash for each in await work] == [b"hash 1", b"hash 2"]


async def test_transcode__the_worker_cannot__gives_its_text(farm: Farm) -> None:
    transcoder = FakeTranscoder()
    transcoder.failure = MediaError("No keyframes in input")
    async with farm.worker(transcoder):
        with pytest.raises(MediaError) as caught:
            await farm.remote.transcode(SEGMENT, credentials())

    assert caught.value.reason == "No keyframes in input"


async def test_transcode__one_worker_fails_on_its_own_account__another_one_does_it(farm: Farm) -> None:
    broken = FakeTranscoder()
    broken.failure = MediaError("TranscoderStopped")
    async with farm.worker(broken), farm.worker() as good:
        assert len(await farm.remote.transcode(SEGMENT, credentials())) == 2

    assert (len(broken.jobs), len(good.transcoder.jobs)) == (1, 1)


async def test_transcode__a_session__stays_where_it_is_and_others_go_to_the_least_loaded(farm: Farm) -> None:
    async with farm.worker(capacity=1) as small, farm.worker(capacity=4) as large:
        for seq in range(3):
            for session in ("one", "two", "three"):
                await farm.remote.transcode(SEGMENT, credentials(session, seq))

        places = [
            {job.auth_token.session_id for job in hand.transcoder.jobs if job.auth_token} for hand in (small, large)
        ]
        assert places == [{"one"}, {"two", "three"}]
        assert farm.remote.pool.load == 3


async def test_transcode__a_part_of_a_segment__is_what_the_worker_makes(farm: Farm) -> None:
    async with farm.worker(capacity=1):
        whole = await farm.remote.transcode(SEGMENT, credentials("one"))
        part = await farm.remote.transcode(SEGMENT, replace(credentials("one", 1), slice=Slice(500, 1000)))
    assert [each.pixels * 4 for each in part] == [each.pixels for each in whole]


async def test_transcode__all_full__is_refused_until_a_session_ends(farm: Farm) -> None:
    async with farm.worker(capacity=1):
        await farm.remote.transcode(SEGMENT, credentials("one"))
        with pytest.raises(MediaError) as caught:
            await farm.remote.transcode(SEGMENT, credentials("two"))
        farm.remote.session_ended("one")

        assert len(await farm.remote.transcode(SEGMENT, credentials("two"))) == 2
    assert caught.value.reason == Nobody.FULL.value


async def test_transcode__no_worker_has_the_capability__is_refused_by_name(farm: Farm) -> None:
    async with farm.worker():
        wants = job_capabilities(PROFILES, fast_verification=True, slicing=True)
        asked = replace(credentials(), capabilities=replace(wants, bits=wants.bits | {15}))
        with pytest.raises(MediaError) as caught:
            await farm.remote.transcode(SEGMENT, asked)

    assert caught.value.reason == Nobody.UNFIT.value


async def test_session__over__its_transcoder_is_told(farm: Farm) -> None:
    async with farm.raw() as raw:
        work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials("one")))
        await raw.post((await raw.task()).task_id)
        await work
        farm.remote.session_ended("one")

        notice = await raw.task()
    assert (notice.url, notice.session_id) == ("", "one")


# --- losses ---------------------------------------------------------------------------------------


async def test_transcode__the_worker_is_lost__another_one_does_it(farm: Farm) -> None:
    async with farm.worker() as other:
        async with farm.raw(capacity=1000) as raw:
            farm.remote.pool._workers.reverse()
            work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials()))
            await raw.task()
        assert len(await work) == 2

    assert len(other.transcoder.jobs) == 1


async def test_transcode__the_only_worker_is_lost__waits_for_one_that_joins(farm: Farm) -> None:
    async with farm.raw() as raw:
        work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials()))
        await raw.task()
    await farm.until(lambda: len(farm.remote.pool) == 0)
    assert not work.done()
    async with farm.worker():
        assert len(await work) == 2


async def test_transcode__the_stream_is_lost_and_the_result_comes__is_taken(farm: Farm) -> None:
    async with farm.raw() as raw:
        work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials()))
        task = await raw.task()
    await farm.until(lambda: len(farm.remote.pool) == 0)

    assert (await raw.post(task.task_id)).status_code == 200
    assert [each.data for each in await work] == [b"first", b"second"]


async def test_worker__stopped_in_its_work__finishes_it(farm: Farm) -> None:
    slow = SlowTranscoder()
    async with farm.worker(slow) as hand:
        work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials()))
        await asyncio.wait_for(slow.begun.wait(), 60)
        hand.stop.set()
        await farm.until(lambda: len(farm.remote.pool) == 0)
        slow.go_on.set()

        assert len(await work) == 2


async def test_worker__the_orchestrator_restarts__joins_again(tmp_path: Path) -> None:
    farm = Farm(tmp_path)
    async with farm.serving(), farm.link() as link:
        hand = Hand(farm, link, FakeTranscoder(), 2)
        hand.start()
        await farm.until(lambda: len(farm.remote.pool) == 1)
        for worker in list(farm.remote.pool._workers):
            farm.remote.pool._detach(worker)
        assert len(farm.remote.pool) == 0

        await farm.until(lambda: len(farm.remote.pool) == 1)
        await hand.end()


async def test_drain__work_is_out__waits_for_it_and_takes_no_more(farm: Farm) -> None:
    slow = SlowTranscoder()
    async with farm.worker(slow):
        work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials()))
        await asyncio.wait_for(slow.begun.wait(), 60)
        drained = asyncio.ensure_future(farm.remote.pool.drain(10))
        await asyncio.sleep(0)
        slow.go_on.set()
        await drained

        assert len(await work) == 2
        assert len(farm.remote.pool) == 0


async def test_transcode__nobody_remote__is_done_here(tmp_path: Path) -> None:
    here = FakeTranscoder()
    async with Farm(tmp_path, here=here).serving() as farm:
        assert len(await farm.remote.transcode(SEGMENT, credentials())) == 2
        async with farm.raw() as raw:
            work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials(seq=1)))
            await raw.task()
        assert len(await work) == 2

    assert len(here.jobs) == 2


# --- peers that lie -------------------------------------------------------------------------------


async def test_task__not_answered__is_given_up_and_the_silent_worker_sent_away(tmp_path: Path) -> None:
    async with Farm(tmp_path, min_task_s=0.05).serving() as farm, farm.raw() as raw:
        short = replace(credentials(), duration_ms=10)
        for _ in range(MAX_LATE):
            with pytest.raises(MediaError) as caught:
                await farm.remote.transcode(SEGMENT, short)
            assert caught.value.reason == TOO_LONG
        late = await raw.task()

        assert len(farm.remote.pool) == 0
        assert ((await raw.post(late.task_id)).status_code, farm.remote._sources) == (400, {})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Credentials": "another secret, much longer"}, 401),
        ({"Credentials": ""}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"TaskId": "1"}, 400),
        ({"TaskId": "-1"}, 400),
        ({"TaskId": "9" * 30}, 400),
        ({"Pixels": "many"}, 400),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "multipart/mixed"}, 500),
    ],
)
async def test_results__that_are_none__are_refused_and_the_task_goes_on(
    farm: Farm, headers: dict[str, str], status: int
) -> None:
    async with farm.raw() as raw:
        work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials()))
        task = await raw.task()

        assert (await raw.post(task.task_id, headers=headers)).status_code == status
        assert not work.done()
        assert (await raw.post(task.task_id)).status_code == 200
        assert len(await work) == 2


@pytest.mark.parametrize(
    "body",
    [
        parts([(b"", 1), (b"", 1), (b"", 1)]),
        parts([(b"hash", None)]),
        parts([(b"1", 1), (b"hash", None), (b"hash", None)]),
        parts([(b"1", "many")]),
        b"--xyz\r\nContent-Type: multipart/mixed; boundary=q\r\nPixels: 1\r\n\r\n--q\r\n\r\nx\r\n--q--\r\n--xyz--\r\n",
        b"no part at all",
    ],
    ids=["too many", "hash of nothing", "two hashes", "pixels", "nested", "nothing"],
)
async def test_results__with_parts_that_are_none__are_refused_and_the_task_goes_on(farm: Farm, body: bytes) -> None:
    async with farm.raw() as raw:
        work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials()))
        task = await raw.task()

        assert (await raw.post(task.task_id, body=body)).status_code in (400, 500)
        assert not work.done()
        assert (await raw.post(task.task_id)).status_code == 200
        assert len(await work) == 2


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (parts([(b"1", 1000)]), "MismatchedSegments"),
        (parts([]), "ZeroSegments"),
        (parts([(b"1", 1000), (b"2", 10**15)]), "MediaStats Failure"),
        (parts([(b"1", 0), (b"2", 1000)]), "MediaStats Failure"),
        (parts([(b"", 1000), (b"2", 1000)]), "MediaStats Failure"),
    ],
    ids=["too few", "none", "impossible pixels", "no pixels", "empty"],
)
async def test_results__that_cannot_be__are_the_workers_failure(farm: Farm, body: bytes, text: str) -> None:
    async with farm.raw() as raw:
        work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials()))
        task = await raw.task()
        await raw.post(task.task_id, body=body)

        with pytest.raises(MediaError) as caught:
            await work
    assert caught.value.reason == text


async def test_results__posted_twice__are_taken_once(farm: Farm) -> None:
    async with farm.raw() as raw:
        work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials()))
        task = await raw.task()
        first, second = await raw.post(task.task_id), await raw.post(task.task_id)
        await work

    assert (first.status_code, second.status_code) == (200, 400)


async def test_error__of_any_length__is_cut(farm: Farm) -> None:
    async with farm.raw() as raw:
        work = asyncio.ensure_future(farm.remote.transcode(SEGMENT, credentials()))
        task = await raw.task()
        how = {"headers": {"Content-Type": worker_api.TRANSCODING_ERROR}, "body": b"x" * 1_000_000}
        assert (await raw.post(task.task_id, **how)).status_code == 200

        with pytest.raises(MediaError) as caught:
            await work
    assert len(caught.value.reason) == 4096


async def test_source__asked_for_by_another_name__is_not_there(farm: Farm) -> None:
    async with httpx.AsyncClient(verify=False) as client:
        assert (await client.get(f"{farm.uri}/segments/{'0' * 32}")).status_code == 404


async def test_worker__told_to_fetch_elsewhere__does_not(farm: Farm) -> None:
    async with farm.link() as link:
        for url in ("http://169.254.169.254/latest", "file:///etc/passwd", "https://localhost:1/x"):
            with pytest.raises(Exception, match="not a host of the orchestrator's"):
                await link.fetch(url)
