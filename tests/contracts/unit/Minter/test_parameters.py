import ape
import pytest

HUNDRED_PERCENT = 10**9


def test_constructor__with_percentages__keeps_them(project, owner, controller):
    minter = owner.deploy(project.Minter, controller, 1, 2, HUNDRED_PERCENT)

    assert (minter.inflation(), minter.inflationChange(), minter.targetBondingRate()) == (1, 2, HUNDRED_PERCENT)
    assert (minter.controller(), minter.getController()) == (controller, controller)
    assert minter.creation_metadata.receipt.events == []


@pytest.mark.parametrize("index", [0, 1, 2])
def test_constructor__above_hundred_percent__reverts(project, owner, controller, index):
    values = [HUNDRED_PERCENT] * 3
    values[index] += 1
    name = ("_inflation", "_inflationChange", "_targetBondingRate")[index]

    with ape.reverts(f"{name} is invalid percentage"):
        owner.deploy(project.Minter, controller, *values)


@pytest.mark.parametrize("value", [0, HUNDRED_PERCENT])
@pytest.mark.parametrize("name", ["targetBondingRate", "inflationChange"])
def test_setter__by_owner__sets_and_tells(minter, owner, name, value):
    setter = getattr(minter, f"set{name[0].upper()}{name[1:]}")

    receipt = setter(value, sender=owner)

    assert getattr(minter, name)() == value
    assert receipt.events == [minter.ParameterUpdate(param=name)]


@pytest.mark.parametrize("name", ["targetBondingRate", "inflationChange"])
def test_setter__above_hundred_percent__reverts(minter, owner, name):
    setter = getattr(minter, f"set{name[0].upper()}{name[1:]}")

    with ape.reverts(f"_{name} is invalid percentage"):
        setter(HUNDRED_PERCENT + 1, sender=owner)


@pytest.mark.parametrize("name", ["setTargetBondingRate", "setInflationChange"])
def test_setter__by_stranger__reverts(minter, stranger, name):
    with ape.reverts("caller must be Controller owner"):
        getattr(minter, name)(1, sender=stranger)


def test_set_controller__by_other_than_controller__reverts(minter, owner):
    with ape.reverts("caller must be Controller"):
        minter.setController(owner, sender=owner)
