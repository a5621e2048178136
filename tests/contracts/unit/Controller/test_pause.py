import ape
import pytest
from ape.contracts import ContractInstance


@pytest.fixture
def paused_controller(project, owner) -> ContractInstance:
    return owner.deploy(project.Controller)


def test_constructor__by_anyone__makes_deployer_owner_and_starts_paused(project, stranger):
    controller = stranger.deploy(project.Controller)

    assert controller.owner() == stranger
    assert controller.paused()
    assert controller.creation_metadata.receipt.events == []


def test_pause__by_owner__pauses(controller, owner):
    receipt = controller.pause(sender=owner)

    assert controller.paused()
    assert receipt.events == [controller.Pause()]


def test_pause__by_stranger__reverts(controller, stranger):
    with ape.reverts():
        controller.pause(sender=stranger)


def test_pause__when_already_paused__reverts(paused_controller, owner):
    with ape.reverts():
        paused_controller.pause(sender=owner)


def test_unpause__by_owner__lets_the_protocol_run(paused_controller, owner):
    receipt = paused_controller.unpause(sender=owner)

    assert not paused_controller.paused()
    assert receipt.events == [paused_controller.Unpause()]


def test_unpause__by_stranger__reverts(paused_controller, stranger):
    with ape.reverts():
        paused_controller.unpause(sender=stranger)


def test_unpause__when_already_running__reverts(controller, owner):
    with ape.reverts():
        controller.unpause(sender=owner)
