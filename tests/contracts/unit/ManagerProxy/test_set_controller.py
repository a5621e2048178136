import ape

from scripts._protocol import contract_id


def test_constructor__with_id__keeps_both_arguments(proxy, controller):
    assert proxy.controller() == controller
    assert proxy.targetContractId() == contract_id("SomethingTarget")


def test_set_controller__through_the_controller__never_reaches_the_target(proxy, controller, register, owner, receiver):
    register("Something", proxy)

    receipt = controller.updateController(contract_id("Something"), receiver, sender=owner)

    assert proxy.controller() == receiver
    assert receipt.events == [proxy.SetController(controller=receiver)]


def test_set_controller__by_other_than_controller__reverts(proxy, owner):
    with ape.reverts("caller must be Controller"):
        proxy.setController(owner, sender=owner)
