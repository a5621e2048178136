"""The file in which an operator lists live runners."""

from pathlib import Path

from livepeer_client.codec.runner_file import MAX_FILE_BYTES
from livepeer_client.errors import InvalidInput


def read_runner_file(path: Path) -> bytes:
    """:raises InvalidInput: no readable file, or more than 1 MiB."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise InvalidInput(f"{path}: more than {MAX_FILE_BYTES} bytes")
    return data
