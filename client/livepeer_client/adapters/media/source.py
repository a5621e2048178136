"""How much there is to decode in a segment, without decoding it."""

from livepeer_client.adapters.media.libav import INVALID_VIDEO, demux, open_segment, translated


def source_pixels(segment: bytes) -> int:
    """Width x height x packets of the video.

    :raises MediaError: not a container we read, or without video.
    """
    with translated(INVALID_VIDEO), open_segment(segment) as (container, stream):
        packets = sum(1 for packet in demux(container, stream) if packet.size)
        return stream.codec_context.width * stream.codec_context.height * packets
