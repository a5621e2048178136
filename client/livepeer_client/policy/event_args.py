"""Events of one transaction by name, and their arguments by type.

:raises MalformedMessage: by `one_of` and `argument`, where they are not.
"""

from collections.abc import Sequence
from typing import TypeVar

from livepeer_client.errors import MalformedMessage
from livepeer_client.facts import Log

T = TypeVar("T", int, bytes, str)


def all_of(logs: Sequence[Log], name: str) -> list[Log]:
    return [log for log in logs if log.name == name]


def one_of(logs: Sequence[Log], name: str) -> Log:
    """The first event of that name."""
    found = all_of(logs, name)
    if not found:
        raise missing(name)
    return found[0]


def missing(name: str) -> MalformedMessage:
    return MalformedMessage("events of a call", f"no {name}")


def argument(log: Log, name: str, kind: type[T]) -> T:
    value = log.args.get(name)
    if not isinstance(value, kind):
        raise MalformedMessage(f"event {log.name}", f"{name} is no {kind.__name__}")
    return value
