"""Small files that hold a secret: made once, readable by the owner only, the same after every restart."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from livepeer_client.errors import StoreError


def read_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of `path`; if there is no such file, `make()` is written there first, mode 0600.

    The file appears whole or not at all, and of two processes that make it at once both read the same.

    :raises StoreError: it can be neither read nor written.
    """
    try:
        if not path.exists():
            _create(path, make())
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error


def _create(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        try:
            # A link never replaces: whoever comes second keeps the first one's file.
            os.link(name, path)
        except FileExistsError:
            return
    finally:
        Path(name).unlink()
