"""Real video by PyAV (FFmpeg): transcoding, inspection, and segments to send. Needs the extra `media`.

    PyavTranscoder   ports.Transcoder     H.264 in MPEG-TS or MP4 to renditions
    PyavProbe        ports.MediaProbe     what a segment really contains
    GeneratedVideo   ports.SegmentSource  a moving, numbered test picture
    FileVideo        ports.SegmentSource  a video file, cut at its keyframes or encoded anew

PyAV is imported when one of these is made, so that a node without media does without it.
"""

from livepeer_client.adapters.media.files import FileVideo
from livepeer_client.adapters.media.generated import GeneratedVideo
from livepeer_client.adapters.media.probe import PyavProbe
from livepeer_client.adapters.media.transcoder import PyavTranscoder

__all__ = ["FileVideo", "GeneratedVideo", "PyavProbe", "PyavTranscoder"]
