"""Requests and results of batch AI jobs."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class AiFile:
    """A file of a request or a result."""

    name: str
    data: bytes = field(repr=False)
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class AiRequest:
    """One job of a model: the request's fields, and the file it is about if there is one."""

    pipeline: str
    model: str
    fields: Mapping[str, Any]
    file_field: str = ""
    file: AiFile | None = None


@dataclass(frozen=True, slots=True)
class AiResult:
    """`body` is the JSON of the answer, in which URLs may be names of `files`; or `events` are the lines of an answer
    that comes bit by bit."""

    body: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, AiFile] = field(default_factory=dict)
    events: AsyncIterator[bytes] | None = None
