import ape
import pytest
from ape.utils import ZERO_ADDRESS

from scripts._protocol import contract_id

COMMIT = bytes(range(20))


def test_set_contract_info__by_owner__registers(controller, owner, receiver):
    receipt = controller.setContractInfo(contract_id("Minter"), receiver, COMMIT, sender=owner)

    assert controller.getContract(contract_id("Minter")) == receiver
    assert tuple(controller.getContractInfo(contract_id("Minter"))) == (receiver, COMMIT)
    assert receipt.events == [
        controller.SetContractInfo(id=contract_id("Minter"), contractAddress=receiver, gitCommitHash=COMMIT)
    ]


def test_set_contract_info__of_registered_id__overwrites_even_with_zero(controller, owner, receiver):
    controller.setContractInfo(contract_id("Minter"), receiver, COMMIT, sender=owner)
    controller.setContractInfo(contract_id("Minter"), ZERO_ADDRESS, bytes(20), sender=owner)

    assert tuple(controller.getContractInfo(contract_id("Minter"))) == (ZERO_ADDRESS, bytes(20))


def test_set_contract_info__by_stranger__reverts(controller, stranger):
    with ape.reverts():
        controller.setContractInfo(contract_id("Minter"), stranger, COMMIT, sender=stranger)


def test_get_contract__of_unregistered_id__is_zero(controller):
    assert controller.getContract(contract_id("nobody")) == ZERO_ADDRESS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BondingManager", "2517d59a36a86548e38734e8ab416f42afff4bca78706a66ad65750dae7f9e37"),
        ("BondingManagerTarget", "fc6f6f33d2bb065ac61cbdd4dbe4b7adf6f3e7e6c6a3d1fe297cbf9a187092e4"),
        ("JobsManager", "3d7456535a3155a46f15a2313c3915bd07137ffdc56464f4fc9a82bae7215c2d"),
        ("Minter", "6e58ad548d72b425ea94c15f453bf26caddb061d82b2551db7fdd3cefe0e9940"),
    ],
)
def test_contract_id__of_known_name__is_that_of_the_deployed_registry(name, expected):
    # Vectors of the deployed protocol (spec 1).
    assert contract_id(name).hex() == expected
