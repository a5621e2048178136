"""An operator's pause, kept as an empty file: it outlives a restart, and is seen by every process of the node."""

from pathlib import Path

from livepeer_client.errors import StoreError


class PauseFile:
    """`ports.desk.PauseSwitch`: on while the file exists."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_on(self) -> bool:
        return self._path.exists()

    def set(self, on: bool) -> None:
        try:
            if on:
                self._path.touch(mode=0o600)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self._path}: the pause cannot be written: {error.strerror}") from error
