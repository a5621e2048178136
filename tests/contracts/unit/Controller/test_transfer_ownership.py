import ape
from ape.utils import ZERO_ADDRESS


def test_transfer_ownership__by_owner__changes_owner(controller, owner, receiver):
    receipt = controller.transferOwnership(receiver, sender=owner)

    assert controller.owner() == receiver
    assert receipt.events == [controller.OwnershipTransferred(previousOwner=owner, newOwner=receiver)]


def test_transfer_ownership__done__leaves_nothing_to_the_old_owner(controller, owner, receiver):
    controller.transferOwnership(receiver, sender=owner)

    with ape.reverts():
        controller.pause(sender=owner)


def test_transfer_ownership__by_stranger__reverts(controller, stranger):
    with ape.reverts():
        controller.transferOwnership(stranger, sender=stranger)


def test_transfer_ownership__to_zero__reverts(controller, owner):
    with ape.reverts():
        controller.transferOwnership(ZERO_ADDRESS, sender=owner)
