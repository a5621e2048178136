"""`[workers]` of an orchestrator's file, and the files of those that work for one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from livepeer_client.config.pipelines import read_pipelines
from livepeer_client.config.sources import Sources
from livepeer_client.config.tables import Document, Table
from livepeer_client.policy.pipelines import PipelineTable
from livepeer_client.policy.uri import origin

MAX_CAPACITY: Final = 1000
PRESETS: Final = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


@dataclass(frozen=True, slots=True)
class WorkersConfig:
    """Who may work for an orchestrator: whoever knows the secret in `secret_file`, of 16 characters or more.

    :param transcodes_here: whether this node transcodes what no remote transcoder can take.
    """

    secret_file: Path
    transcodes_here: bool = True
    min_version: str = ""
    """Of AI workers."""


@dataclass(frozen=True, slots=True)
class TranscoderSettings:
    """A transcoder. `capacity`: sessions; `threads`: segments at once.

    :param certificate: the orchestrator's, PEM; without, any is taken, as on the network.
    :param segment_hosts: besides the orchestrator, where it may have segments fetched from.
    """

    orchestrator: str
    secret_file: Path
    capacity: int
    threads: int
    preset: str
    certificate: Path | None
    segment_hosts: tuple[str, ...]


def read_workers(document: Document) -> WorkersConfig | None:
    """None where nobody else works for the node.

    :raises ConfigError: naming file, key and what was expected.
    """
    table = document.table("workers", required=False)
    if not table.has("secret_file"):
        table.know(("secret_file", "transcodes_here", "min_version"))
        table.finish()
        return None
    config = WorkersConfig(
        table.path("secret_file"), table.flag("transcodes_here", True), table.text("min_version", "0")
    )
    table.finish()
    return config


@dataclass(frozen=True, slots=True)
class RunnersConfig:
    """What runs the models of a node: functions of its own by their pipelines, and HTTP runners by theirs."""

    own: tuple[str, ...] = ()
    urls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AiWorkerSettings:
    """An AI worker: `models` with their capacity, and what runs them."""

    orchestrator: str
    secret_file: Path
    certificate: Path | None
    models: PipelineTable
    runners: RunnersConfig


OWN_RUNNERS: Final = ("upscale",)
"""Pipelines that this library can run by itself, without any model."""


def read_runners(document: Document) -> RunnersConfig:
    """`[runners]`: pipelines with the URL of what runs them, or `own`.

    :raises ConfigError: naming file, key and what was expected.
    """
    table = document.table("runners", required=False)
    own, urls = [], {}
    for name in table.left:
        value = table.text(name)
        if value == "own" and name in OWN_RUNNERS:
            own.append(name)
        elif origin(value) is not None:
            urls[name] = value
        else:
            raise table.refuse(name, f"an http(s) URL, or own for {', '.join(OWN_RUNNERS)}", value)
    table.finish()
    return RunnersConfig(tuple(own), urls)


def load_aiworker(file: str | Path, sources: Sources | None = None) -> AiWorkerSettings:
    """Read an AI worker's settings. Raises as `load_orchestrator`."""
    document = Document(file, sources)
    table = document.table("aiworker", required=True)
    uri, secret, certificate = (
        read_orchestrator_uri(table),
        table.path("secret_file"),
        table.optional_path("certificate"),
    )
    table.finish()
    settings = AiWorkerSettings(uri, secret, certificate, read_pipelines(document), read_runners(document))
    document.finish()
    return settings


def load_transcoder(file: str | Path, sources: Sources | None = None) -> TranscoderSettings:
    """Read a transcoder's settings. Raises as `load_orchestrator`."""
    document = Document(file, sources)
    table = document.table("transcoder", required=True)
    settings = TranscoderSettings(
        orchestrator=read_orchestrator_uri(table),
        secret_file=table.path("secret_file"),
        capacity=table.integer("capacity", 2, low=1, high=MAX_CAPACITY),
        threads=table.integer("threads", 2, low=1, high=MAX_CAPACITY),
        preset=table.take("preset", "one of " + ", ".join(PRESETS), lambda value: value in PRESETS, "veryfast"),
        certificate=table.optional_path("certificate"),
        segment_hosts=tuple(table.names("segment_hosts")),
    )
    table.finish()
    document.finish()
    return settings


def read_orchestrator_uri(table: Table) -> str:
    uri = table.text("orchestrator").rstrip("/")
    if origin(uri) is None:
        raise table.refuse("orchestrator", "https://host:port", uri)
    return uri
