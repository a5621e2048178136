"""Real segments through the real codec: what the transcoder makes, the probe sees, and the sources deliver."""

import asyncio
import io
import random
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from livepeer_client.adapters.media import FileVideo, GeneratedVideo, PyavProbe, PyavTranscoder
from livepeer_client.adapters.media.threads import StopFlag, Stopped, run_stoppable
from livepeer_client.codec.messages import CodecProfile, VideoCodec, VideoFormat, VideoProfile
from livepeer_client.errors import ConfigError, InvalidInput, MediaError
from livepeer_client.facts import MediaInfo, Rendition
from tests.client.adapters.videos import (
    SMALL,
    brightness,
    collect,
    credentials,
    frame_types,
    packets,
    profile,
    sound_of,
    without_keyframe,
    write_video,
)


@pytest.fixture
async def transcoder() -> AsyncIterator[PyavTranscoder]:
    made = PyavTranscoder(preset="ultrafast")
    yield made
    await made.close()


@pytest.fixture
async def probe() -> AsyncIterator[PyavProbe]:
    made = PyavProbe()
    yield made
    await made.close()


@pytest.fixture(scope="module")
def segments() -> list[bytes]:
    """Two seconds of 160x96 at 30 frames per second, in two segments."""
    return asyncio.run(collect(GeneratedVideo(fps=30, count=2, **SMALL)))  # type: ignore[arg-type]


# --- generated video ------------------------------------------------------------------------------


async def test_generated_video__each_segment__is_whole_and_follows_the_one_before(probe: PyavProbe) -> None:
    source = GeneratedVideo(160, 96, 25, 2, 3, preset="ultrafast")
    numbers, moments = [], []
    async for seq, data, duration_ms in source.segments():
        numbers.append(seq)
        assert await probe.inspect(data) == MediaInfo(160, 96, 50, Fraction(2))
        assert duration_ms == 2000
        assert [is_key for _, is_key in packets(data)].index(True) == 0
        moments += [moment for moment, _ in packets(data)]
    assert numbers == [0, 1, 2]
    assert moments == [10 + Fraction(number, 25) for number in range(150)]


async def test_generated_video__ntsc_rate__never_drifts(probe: PyavProbe) -> None:
    rate = Fraction(30_000, 1001)
    total_frames = total_ms = 0
    async for _, data, duration_ms in GeneratedVideo(160, 96, rate, 1, 7, preset="ultrafast").segments():
        info = await probe.inspect(data)
        assert info.frames in (29, 30)
        total_frames += info.frames
        total_ms += duration_ms
    assert total_frames == 210
    assert abs(total_ms - 210 / rate * 1000) < 7


async def test_generated_video__same_seed__same_bytes() -> None:
    first, second = [await collect(GeneratedVideo(count=2, seed=5, **SMALL)) for _ in range(2)]  # type: ignore[arg-type]
    assert first == second


async def test_generated_video__other_seed__other_picture() -> None:
    first, second = [await collect(GeneratedVideo(count=1, seed=seed, **SMALL)) for seed in (1, 2)]  # type: ignore[arg-type]
    assert first != second


async def test_generated_video__frames__all_differ(segments: list[bytes]) -> None:
    shown = brightness(segments[0]) + brightness(segments[1])
    assert len(set(shown)) > 55


@pytest.mark.parametrize("wrong", [{"width": 161}, {"height": 30}, {"fps": 0}, {"segment_s": 0}, {"count": -1}])
def test_generated_video__impossible_shape__is_invalid(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        GeneratedVideo(**wrong)


# --- transcoding ----------------------------------------------------------------------------------


async def test_transcode__two_profiles__have_the_size_frames_duration_and_pixels_asked_for(
    transcoder: PyavTranscoder, probe: PyavProbe, segments: list[bytes]
) -> None:
    wanted = [profile(128, 72), profile(64, 36, fps=15)]
    renditions = await transcoder.transcode(segments[0], credentials(*wanted))
    assert [rendition.profile for rendition in renditions] == wanted
    large, small = [await probe.inspect(rendition.data) for rendition in renditions]
    assert large == MediaInfo(128, 72, 30, Fraction(1))
    assert small == MediaInfo(64, 36, 15, Fraction(1))
    assert [rendition.pixels for rendition in renditions] == [large.pixels, small.pixels]


@pytest.mark.parametrize(
    "rate", [{}, {"fps": 30}, {"fps": 20}, {"fps": 60}, {"fps": 24_000, "fps_den": 1001}, {"fps": 7}]
)
async def test_transcode__successive_segments__put_together_play_without_gap_or_double_frame(
    transcoder: PyavTranscoder, segments: list[bytes], rate: dict[str, int]
) -> None:
    made = [(await transcoder.transcode(segment, credentials(profile(**rate))))[0] for segment in segments]
    together = made[0].data + made[1].data
    moments = [moment for moment, _ in packets(together)]
    step = Fraction(rate.get("fps_den", 1), rate.get("fps", 30))
    # MPEG-TS counts in 1/90000 s.
    assert all(abs(later - earlier - step) <= Fraction(1, 90_000) for earlier, later in pairwise(moments))
    assert 10 <= moments[0] < 10 + step
    assert 12 - step <= moments[-1] < 12
    with av.open(io.BytesIO(together)) as container:
        assert sum(not frame.is_corrupt for frame in container.decode(video=0)) == len(moments)
    assert [rendition.pixels // (128 * 72) for rendition in made] == [len(packets(r.data)) for r in made]


async def test_transcode__picture__is_the_sources(transcoder: PyavTranscoder, segments: list[bytes]) -> None:
    (rendition,) = await transcoder.transcode(segments[0], credentials(profile(160, 96, 2_000_000)))
    source, made = brightness(segments[0]), brightness(rendition.data)
    assert len(source) == len(made)
    assert all(abs(a - b) < 0.01 * a for a, b in zip(source, made, strict=True))


async def test_transcode__lower_bitrate__gives_fewer_bytes(transcoder: PyavTranscoder, segments: list[bytes]) -> None:
    low, high = await transcoder.transcode(segments[0], credentials(profile(bitrate=30_000), profile(bitrate=600_000)))
    assert len(low.data) < len(high.data) / 2


@pytest.mark.parametrize(("gop_ms", "expected"), [(0, 1), (250, 4), (-1, 1)])
async def test_transcode__gop__puts_keyframes_at_the_start_and_at_that_distance(
    transcoder: PyavTranscoder, segments: list[bytes], gop_ms: int, expected: int
) -> None:
    (rendition,) = await transcoder.transcode(segments[0], credentials(profile(fps=24, gop_ms=gop_ms)))
    keyframes = [moment for moment, is_key in packets(rendition.data) if is_key]
    assert len(keyframes) == expected
    assert keyframes[0] == packets(rendition.data)[0][0]
    assert frame_types(rendition.data).count("I") == expected


async def test_transcode__source_gop__repeats_the_sources_keyframes(transcoder: PyavTranscoder) -> None:
    (source,) = await collect(GeneratedVideo(160, 96, 30, 1, 1, preset="ultrafast"))
    (with_keys,) = await transcoder.transcode(source, credentials(profile(160, 96, gop_ms=200)))
    (same,) = await transcoder.transcode(with_keys.data, credentials(profile(gop_ms=-1)))
    assert [p for p in packets(same.data) if p[1]] == [p for p in packets(with_keys.data) if p[1]]


@pytest.mark.parametrize(
    ("wanted", "ffmpeg_names"),
    [
        (CodecProfile.H264_BASELINE, {"Baseline", "Constrained Baseline"}),
        (CodecProfile.H264_MAIN, {"Main"}),
        (CodecProfile.H264_HIGH, {"High"}),
        (CodecProfile.H264_CONSTRAINED_HIGH, {"High"}),
    ],
)
async def test_transcode__encoder_profile__is_kept(
    segments: list[bytes], wanted: CodecProfile, ffmpeg_names: set[str]
) -> None:
    # "ultrafast" leaves out what distinguishes High.
    transcoder = PyavTranscoder(preset="veryfast")
    (rendition,) = await transcoder.transcode(segments[0], credentials(profile(profile=wanted)))
    with av.open(io.BytesIO(rendition.data)) as container:
        assert container.streams.video[0].profile in ffmpeg_names
    await transcoder.close()


async def test_transcode__mp4__keeps_timestamps_and_duration(
    transcoder: PyavTranscoder, probe: PyavProbe, segments: list[bytes]
) -> None:
    mp4 = profile(format=VideoFormat.MP4, fps=30)
    (rendition,) = await transcoder.transcode(segments[1], credentials(mp4))
    assert rendition.data[4:8] == b"ftyp"
    assert await probe.inspect(rendition.data) == MediaInfo(128, 72, 30, Fraction(1))
    assert packets(rendition.data)[0][0] == 11
    # And MP4 is as good a source as MPEG-TS.
    (again,) = await transcoder.transcode(rendition.data, credentials(profile()))
    assert (await probe.inspect(again.data)).frames == 30


async def test_transcode__with_sound__copies_it(transcoder: PyavTranscoder, tmp_path: Path) -> None:
    (segment,) = await collect(FileVideo(write_video(tmp_path / "v.mp4", frames=30, sound=True), 5))
    renditions = await transcoder.transcode(
        segment, credentials(profile(), profile(64, 36), profile(96, 54, format=VideoFormat.MP4))
    )
    assert sound_of(segment)
    for rendition in renditions:
        assert sound_of(rendition.data) == sound_of(segment)


async def test_transcode__several_at_once__all_come_out(transcoder: PyavTranscoder, segments: list[bytes]) -> None:
    made: list[list[Rendition]] = await asyncio.gather(
        *(transcoder.transcode(segments[number % 2], credentials(profile())) for number in range(6))
    )
    assert made[0] == made[2] == made[4]
    assert made[1] == made[3] == made[5]


async def test_transcode__cancelled__stops_between_frames_and_frees_its_thread() -> None:
    (segment,) = await collect(GeneratedVideo(640, 360, 30, 4, 1, preset="ultrafast"))
    transcoder = PyavTranscoder(workers=1, preset="slower")
    whole = time.monotonic()
    await transcoder.transcode(segment, credentials(profile(640, 360, 2_000_000)))
    whole = time.monotonic() - whole
    stopping: list[float] = []
    # A busy machine is slow at times; work that goes on to its end is so each time.
    while min(stopping, default=whole) >= whole / 2:
        assert len(stopping) < 5, (whole, stopping)
        task = asyncio.create_task(transcoder.transcode(segment, credentials(profile(640, 360, 2_000_000))))
        await asyncio.sleep(whole / 10)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stopping.append(time.monotonic() - began)
    await transcoder.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"garbage" * 1000,
        b"\x47" + b"garbage" * 1000,
        (b"\x47" + bytes(187)) * 50,
        b"\0\0\0\x18ftypmp42" + b"x" * 500,
    ],
    ids=["empty", "text", "one sync byte", "empty transport stream", "mp4 without content"],
)
async def test_transcode_and_inspect__garbage__is_invalid_video(
    transcoder: PyavTranscoder, probe: PyavProbe, garbage: bytes
) -> None:
    for attempt in (transcoder.transcode(garbage, credentials(profile())), probe.inspect(garbage)):
        with pytest.raises(MediaError) as refused:
            await attempt
        assert refused.value.reason == "TranscoderInvalidVideo"


async def test_transcode_and_inspect__random_damage__ends_in_a_result_or_a_media_error(
    transcoder: PyavTranscoder, probe: PyavProbe, segments: list[bytes]
) -> None:
    wanted = credentials(profile(64, 36, fps=60), profile(64, 36, format=VideoFormat.MP4))
    mp4 = (await transcoder.transcode(segments[0], wanted))[1].data
    chance = random.Random(1)
    outcomes: dict[str, int] = {}
    for number in range(120):
        damaged = bytearray(mp4 if number % 2 else segments[0])
        for _ in range(chance.choice([1, 20, 200])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        for attempt in (transcoder.transcode(bytes(damaged), wanted), probe.inspect(bytes(damaged))):
            try:
                await asyncio.wait_for(attempt, 60)
                outcome = "made"
            except MediaError as error:
                outcome = error.reason
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert outcomes["made"] > 50
    assert outcomes["TranscoderInvalidVideo"] > 50


async def test_transcode_and_inspect__playlist__opens_nothing(
    transcoder: PyavTranscoder, probe: PyavProbe, tmp_path: Path, segments: list[bytes]
) -> None:
    await asyncio.to_thread((tmp_path / "secret.ts").write_bytes, segments[0])
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/secret.ts\n#EXT-X-ENDLIST\n".encode()
    for attempt in (transcoder.transcode(playlist, credentials(profile())), probe.inspect(playlist)):
        with pytest.raises(MediaError):
            await attempt


async def test_transcode__half_a_segment__gives_what_decodes(transcoder: PyavTranscoder, segments: list[bytes]) -> None:
    data = segments[0]
    (rendition,) = await transcoder.transcode(data[: len(data) // 2], credentials(profile()))
    assert 0 < rendition.pixels < 30 * 128 * 72


async def test_transcode__no_keyframe__is_refused(transcoder: PyavTranscoder, tmp_path: Path) -> None:
    with pytest.raises(MediaError) as refused:
        await transcoder.transcode(without_keyframe(tmp_path), credentials(profile()))
    assert refused.value.reason == "No keyframes in input"


async def test_transcode__other_codec__is_refused(transcoder: PyavTranscoder, tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.ts", frames=10, codec="mpeg2video")
    data = await asyncio.to_thread(path.read_bytes)
    with pytest.raises(MediaError) as refused:
        await transcoder.transcode(data, credentials(profile()))
    assert refused.value.reason == "Unsupported input codec"


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ([profile(127, 72)], "TranscoderInvalidResolution"),
        ([profile(16_384, 72)], "TranscoderInvalidResolution"),
        ([profile(encoder=VideoCodec.VP9)], "Encoder not found"),
        ([profile(fps=4_000_000_000)], "Invalid argument"),
        ([profile()] * 11, "Too many outputs"),
    ],
)
async def test_transcode__impossible_profile__is_refused_with_the_networks_text(
    transcoder: PyavTranscoder, segments: list[bytes], wanted: list[VideoProfile], reason: str
) -> None:
    with pytest.raises(MediaError) as refused:
        await transcoder.transcode(segments[0], credentials(*wanted))
    assert refused.value.reason == reason


async def test_transcode__timestamps_hours_apart__is_refused_instead_of_filled(
    transcoder: PyavTranscoder, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "v.mp4", frames=4, times=[0, 1, 2, 36_000 * 30])
    data = await asyncio.to_thread(path.read_bytes)
    with pytest.raises(MediaError) as refused:
        await transcoder.transcode(data, credentials(profile(fps=60)))
    assert refused.value.reason == "TranscoderInvalidVideo"


async def test_transcode__cancelled_inside_a_long_gap__stops_at_the_next_frame(
    transcoder: PyavTranscoder, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "v.mp4", frames=3, times=[0, 1, 299 * 30])
    data = await asyncio.to_thread(path.read_bytes)
    # Five minutes of 1080p at the highest rate: an hour of encoding, all between two frames of the source.
    task = asyncio.create_task(transcoder.transcode(data, credentials(profile(1920, 1080, fps=240))))
    await asyncio.sleep(0.5)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=60)
    assert done == {task}
    assert task.cancelled()


# --- probing --------------------------------------------------------------------------------------


async def test_inspect__damaged_in_the_middle__is_refused(probe: PyavProbe) -> None:
    (segment,) = await collect(GeneratedVideo(320, 192, 30, 1, 1, preset="ultrafast"))
    damaged = bytearray(segment)
    for offset in range(len(damaged) // 2, len(damaged) // 2 + 20 * 188, 188):
        damaged[offset + 20 : offset + 180] = bytes(range(160))
    with pytest.raises(MediaError):
        await probe.inspect(bytes(damaged))


async def test_inspect__two_sizes_put_together__is_refused(
    transcoder: PyavTranscoder, probe: PyavProbe, segments: list[bytes]
) -> None:
    (small,) = await transcoder.transcode(segments[1], credentials(profile()))
    with pytest.raises(MediaError):
        await probe.inspect(segments[0] + small.data)


async def test_inspect__more_pixels_than_asked_for__stops_there(probe: PyavProbe, segments: list[bytes]) -> None:
    whole = await probe.inspect(segments[0])
    assert await probe.inspect(segments[0], max_pixels=whole.pixels) == whole
    with pytest.raises(MediaError):
        await probe.inspect(segments[0], max_pixels=whole.pixels - 1)


async def test_inspect__one_frame__lasts_one_frame(probe: PyavProbe) -> None:
    (segment,) = await collect(GeneratedVideo(160, 96, 10, Fraction(1, 10), 1, preset="ultrafast"))
    info = await probe.inspect(segment)
    assert info.frames == 1
    assert info.duration_s > 0


# --- threads and the extra ------------------------------------------------------------------------


async def test_run_stoppable__cancelled__waits_until_the_work_noticed() -> None:
    noticed: list[bool] = []

    def work(stop: StopFlag) -> None:
        try:
            while True:
                stop.check()
                time.sleep(0.001)
        except Stopped:
            noticed.append(True)
            raise

    task = asyncio.create_task(run_stoppable(None, work))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert noticed == [True]


async def test_run_stoppable__cancelled_before_its_turn__never_runs_and_does_not_wait() -> None:
    gate = threading.Event()
    ran: list[bool] = []
    with ThreadPoolExecutor(1) as executor:
        first = asyncio.create_task(run_stoppable(executor, lambda _: gate.wait(60)))
        second = asyncio.create_task(run_stoppable(executor, lambda _: ran.append(True)))
        await asyncio.sleep(0.02)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.set()
        assert await first
    assert ran == []


@pytest.mark.parametrize("make", [PyavTranscoder, PyavProbe, GeneratedVideo, lambda: FileVideo("v.mp4")])
def test_anything__without_pyav__names_the_extra(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(ConfigError, match=r"livepeer-client\[media\]"):
        make()
