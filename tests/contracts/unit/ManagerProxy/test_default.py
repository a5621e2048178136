import ape
import pytest
from ape.utils import ZERO_ADDRESS

from tests.support.custom_errors import reverts_with

REASON = (
    "a reason of more than one hundred characters, to show that nothing of it is cut off on its way through the proxy"
)


def test_default__with_call_and_value__runs_the_target_on_the_proxys_storage(something, target, owner):
    receipt = something.set_number(7, value=5, sender=owner)

    assert something.number() == 7
    assert something.balance == 5
    assert target.number() == 0
    assert receipt.decode_logs(something.Received) == [
        something.Received(sender=owner, amount=5, data=something.set_number.encode_input(7))
    ]


def test_default__with_answer__returns_it(something, owner):
    assert something.set_number.call(7, sender=owner) == 8


def test_default__with_plain_ether__reaches_the_targets_default(something, owner):
    receipt = owner.transfer(something, 3)

    assert something.balance == 3
    assert receipt.decode_logs(something.Received) == [something.Received(sender=owner, amount=3, data=b"")]


# 64 bytes of head and length, 32 for each item: the bound is 1120 bytes.
@pytest.mark.parametrize("size", [0, 1, 32])
def test_default__with_answer_below_the_bound__returns_all_of_it(something, size):
    assert something.answer_of(size) == list(range(size))


@pytest.mark.parametrize("size", [33, 34, 200])
def test_default__k14_answer_that_fills_the_bound__reverts_instead_of_cutting(something, size):
    with ape.reverts("answer of target contract is too long"):
        something.answer_of(size)


def test_default__with_longest_service_uri__returns_all_of_it(project, owner, controller, register, through):
    register("SomethingTarget", owner.deploy(project.ServiceRegistry, controller))
    registry = through("ServiceRegistry")
    registry.setServiceURI("x" * 1024, sender=owner)

    assert registry.getServiceURI(owner) == "x" * 1024


def test_default__with_failing_target__passes_the_whole_reason_on(something, owner):
    with ape.reverts(REASON):
        something.fail_with_reason(sender=owner)
    assert something.number() == 0


def test_default__with_custom_error__passes_its_bytes_on(something, owner):
    with reverts_with("Refused(address)", owner.address):
        something.fail_with_custom_error(sender=owner)


def test_default__with_silent_failure__fails_silently(something, owner):
    with ape.reverts("Transaction failed."):
        something.fail_silently(sender=owner)


def test_default__with_unregistered_target__reverts(something, register, owner):
    register("SomethingTarget", ZERO_ADDRESS)

    with ape.reverts("target contract must be registered"):
        something.set_number(7, sender=owner)


def test_default__k14_target_without_code__reverts(something, register, owner, stranger):
    register("SomethingTarget", stranger)

    with ape.reverts("target contract has no code"):
        something.set_number(7, value=5, sender=owner)
    assert something.balance == 0


def test_default__k14_plain_ether_to_target_without_code__reverts(something, register, owner, stranger):
    register("SomethingTarget", stranger)

    with ape.reverts("target contract has no code"):
        owner.transfer(something, 3)


def test_default__after_registration_of_new_code__runs_it_on_the_old_storage(
    project, something, controller, register, owner
):
    something.set_number(7, sender=owner)
    register("SomethingTarget", owner.deploy(project.ProxyTargetMock, controller))

    assert something.number() == 7
