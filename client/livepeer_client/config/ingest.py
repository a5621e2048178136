"""`[ingest]` of a gateway's file: what is pushed to it over HTTP."""

from dataclasses import dataclass, field

from livepeer_client.codec.messages import VideoProfile
from livepeer_client.codec.presets import presets
from livepeer_client.config.tables import Document
from livepeer_client.errors import InvalidInput

DEFAULT_PRESETS = ["P240p30fps16x9", "P360p30fps16x9"]


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """Where segments are pushed to and what becomes of them if nobody says.

    `webhook_url` is asked about each stream; without, everybody who reaches the address may push and spend."""

    host: str
    port: int
    profiles: tuple[VideoProfile, ...]
    verification: int
    webhook_url: str | None = field(default=None, repr=False)


def read_ingest(document: Document) -> IngestConfig | None:
    """None where nothing is pushed.

    :raises ConfigError: naming file, key and what was expected.
    """
    table = document.table("ingest", required=False)
    if not table.has("listen"):
        table.know(("listen", "presets", "verification", "webhook_url"))
        table.finish()
        return None
    host, port = table.host_port("listen")
    names = table.names("presets") or DEFAULT_PRESETS
    try:
        profiles = presets(names)
    except InvalidInput as error:
        raise table.refuse("presets", str(error), names) from None
    webhook = table.urls_of_one("webhook_url") if table.has("webhook_url") else []
    table.know(("webhook_url",))
    config = IngestConfig(
        host=host,
        port=port,
        profiles=profiles,
        verification=table.integer("verification", 0, high=10_000),
        webhook_url=webhook[0] if webhook else None,
    )
    table.finish()
    return config
