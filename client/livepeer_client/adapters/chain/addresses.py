"""Where the contracts of one deployment are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from livepeer_client.codec.address import parse_address
from livepeer_client.errors import ConfigError, InvalidInput
from livepeer_client.types import ADDRESS_BYTES, Address, BlockNumber


@dataclass(frozen=True, slots=True)
class Addresses:
    """A deployment. `contracts` may be empty: the Controller knows them. `block` is the first block of interest."""

    chain_id: int
    controller: Address
    contracts: Mapping[str, Address] = field(default_factory=dict)
    block: BlockNumber = BlockNumber(0)

    def __post_init__(self) -> None:
        for name, address in {**self.contracts, "Controller": self.controller}.items():
            if len(address) != ADDRESS_BYTES:
                raise InvalidInput(f"the address of {name} is {ADDRESS_BYTES} bytes, got {len(address)}")


def load_addresses(path: Path | str) -> Addresses:
    """Read the file that the deployment wrote: `chain_id`, `controller`, `contracts`, `block`.

    :raises ConfigError: absent, or not of that form.
    """
    try:
        content = json.loads(Path(path).read_text())
        return Addresses(
            chain_id=int(content["chain_id"]),
            controller=parse_address(content["controller"]),
            contracts={str(name): parse_address(value) for name, value in content.get("contracts", {}).items()},
            block=BlockNumber(int(content.get("block", 0))),
        )
    except OSError as error:
        raise ConfigError(f"address file {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, InvalidInput) as error:
        raise ConfigError(f"address file {path}: {error!r}") from error
