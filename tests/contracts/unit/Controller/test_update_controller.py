import ape
import pytest
from ape.contracts import ContractInstance

from scripts._protocol import contract_id


@pytest.fixture
def registry(project, owner, controller, register) -> ContractInstance:
    instance = owner.deploy(project.ServiceRegistry, controller)
    register("ServiceRegistry", instance)
    return instance


def test_update_controller__by_owner__hands_the_contract_over(controller, registry, owner, receiver):
    receipt = controller.updateController(contract_id("ServiceRegistry"), receiver, sender=owner)

    assert registry.controller() == receiver
    assert receipt.events == [registry.SetController(controller=receiver)]


def test_update_controller__by_stranger__reverts(controller, registry, stranger):
    with ape.reverts():
        controller.updateController(contract_id("ServiceRegistry"), stranger, sender=stranger)


def test_update_controller__of_address_without_code__reverts(controller, register, owner, receiver):
    register("ServiceRegistry", receiver)

    with ape.reverts():
        controller.updateController(contract_id("ServiceRegistry"), receiver, sender=owner)
