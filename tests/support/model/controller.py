"""Controller and ServiceRegistry (spec 3 and 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eth_utils.crypto import keccak

from tests.support.model.state import NOBODY, Cell, Table, require

if TYPE_CHECKING:
    from tests.support.model.protocol import Model

MAX_URI = 1024


def contract_id(name: str) -> bytes:
    return bytes(keccak(text=name))


class ControllerModel:
    """Registry, owner, pause."""

    def __init__(self, model: Model, owner: str) -> None:
        self._model = model
        self._owner: Cell[str] = Cell(model.journal, "owner", owner)
        self._paused: Cell[bool] = Cell(model.journal, "paused", True)
        self.entries: Table[bytes, tuple[str, bytes]] = Table(model.journal, "entries", (NOBODY, bytes(20)))

    @property
    def is_paused(self) -> bool:
        return self._paused.value

    def resolve(self, name: str) -> str:
        return self.entries[contract_id(name)][0]

    # --- guards of all contracts --------------------------------------------------------------------------------------

    def only_owner(self, sender: str) -> None:
        require(sender == self._owner.value, "caller must be Controller owner")

    def when_not_paused(self) -> None:
        require(not self._paused.value, "system is paused")

    # --- calls --------------------------------------------------------------------------------------------------------

    def transferOwnership(self, sender: str, new: str) -> None:  # noqa: N802
        require(sender == self._owner.value and new != NOBODY)
        self._model.emit("Controller", "OwnershipTransferred", sender, new)
        self._owner.value = new

    def pause(self, sender: str) -> None:
        require(sender == self._owner.value and not self._paused.value)
        self._paused.value = True
        self._model.emit("Controller", "Pause")

    def unpause(self, sender: str) -> None:
        require(sender == self._owner.value and self._paused.value)
        self._paused.value = False
        self._model.emit("Controller", "Unpause")

    def setContractInfo(self, sender: str, id_: bytes, address: str, commit: bytes) -> None:  # noqa: N802
        require(sender == self._owner.value)
        self.entries[id_] = (address, commit)
        self._model.emit("Controller", "SetContractInfo", id_, address, commit)

    def updateController(self, sender: str, id_: bytes, controller: str) -> None:  # noqa: N802
        """Only with the Controller that there is: the model knows no other."""
        require(sender == self._owner.value)
        address = self.entries[id_][0]
        require(self._model.is_manager(address))
        assert controller == self._model.address_of["Controller"]
        self._model.emit_at(address, "SetController", controller)

    # --- views --------------------------------------------------------------------------------------------------------

    def owner(self) -> str:
        return self._owner.value

    def paused(self) -> bool:
        return self._paused.value

    def getContract(self, id_: bytes) -> str:  # noqa: N802
        return self.entries[id_][0]

    def getContractInfo(self, id_: bytes) -> tuple[str, bytes]:  # noqa: N802
        return self.entries[id_]


class RegistryModel:
    """ServiceRegistry."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._uris: Table[str, str] = Table(model.journal, "uris", "")

    def setServiceURI(self, sender: str, uri: str) -> None:  # noqa: N802
        require(len(uri.encode()) <= MAX_URI)
        self._uris[sender] = uri
        self._model.emit("ServiceRegistry", "ServiceURIUpdate", sender, uri)

    def getServiceURI(self, account: str) -> str:  # noqa: N802
        return self._uris[account]
