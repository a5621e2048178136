"""Pictures by PyAV: how large one is, how long a sound is, and a real, small AI worker that makes pictures larger."""

import io
from fractions import Fraction
from typing import Any, Final

from livepeer_client.adapters.media.libav import MAX_FRAME_PIXELS, open_input, require_av
from livepeer_client.errors import InvalidInput
from livepeer_client.facts.ai import AiFile, AiRequest, AiResult
from livepeer_client.policy.ai_request import FileSize

SCALE: Final = 2
MAX_INPUT_PIXELS: Final = 4096 * 4096
UPSCALE_MODEL: Final = "lanczos"


_DEMUXERS: Final = (
    (0, b"\x89PNG\r\n\x1a\n", "png_pipe"),
    (0, b"\xff\xd8\xff", "jpeg_pipe"),
    (0, b"GIF8", "gif"),
    (0, b"BM", "bmp_pipe"),
    (8, b"WEBP", "webp_pipe"),
    (8, b"WAVE", "wav"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"ID3", "mp3"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"\xff\xf3", "mp3"),
    (4, b"ftyp", "mp4"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
)


def demuxer_of(data: bytes) -> str:
    """FFmpeg's name for what a file is by its first bytes. Never its own guess: a "picture" that is really a playlist
    would make it open files and addresses that the sender names.

    :raises InvalidInput: none of the pictures, sounds and videos that are taken.
    """
    for at, magic, name in _DEMUXERS:
        if data[at : at + len(magic)] == magic:
            return name
    raise InvalidInput("a file that cannot be read: no picture, sound or video that is known")


def file_size(data: bytes) -> FileSize:
    """What a picture, sound or video measures.

    :raises InvalidInput: nothing that FFmpeg can read.
    """
    require_av()
    import av

    try:
        with open_input(io.BytesIO(data), format=demuxer_of(data)) as container:
            width = height = 0
            if container.streams.video:
                context = container.streams.video[0].codec_context
                width, height = context.width, context.height
            # In microseconds; a picture has a duration too, of one frame.
            duration_ms = -(-(container.duration or 0) // 1000)
            return FileSize(width, height, duration_ms)
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        raise InvalidInput(f"a file that cannot be read: {type(error).__name__}") from error


def upscale(request: AiRequest) -> AiResult:
    """Make a picture twice as wide and high by libswscale's Lanczos filter, as PNG. No model, no download.

    :raises InvalidInput: no picture, or one that is too large.
    """
    require_av()
    import av

    if request.file is None:
        raise InvalidInput("upscale: missing image")
    try:
        with open_input(io.BytesIO(request.file.data), format=demuxer_of(request.file.data)) as container:
            frame: Any = next(container.decode(video=0))
    except (av.error.FFmpegError, ValueError, IndexError, StopIteration) as error:
        raise InvalidInput(f"a picture that cannot be read: {type(error).__name__}") from error
    width, height = frame.width * SCALE, frame.height * SCALE
    if frame.width * frame.height > MAX_INPUT_PIXELS or width * height > MAX_FRAME_PIXELS:
        raise InvalidInput(f"a picture of {frame.width}x{frame.height}")
    larger = frame.reformat(width=width, height=height, format="rgb24", interpolation="LANCZOS")
    data = encode_png(larger)
    return AiResult(
        {"images": [{"url": "image.png", "seed": 0, "nsfw": False}]},
        {"image.png": AiFile("image.png", data, "image/png")},
    )


def encode_png(frame: Any) -> bytes:
    """An RGB picture as PNG."""
    import av

    codec: Any = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "rgb24"
    codec.time_base = Fraction(1)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*codec.encode(frame), *codec.encode(None)))
