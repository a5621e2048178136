import ape
import pytest
from ape.utils import ZERO_ADDRESS

LPT = 10**18


@pytest.fixture
def paused(minter, token, controller, owner, jobs_manager):
    """The Minter holds 10 LPT and 10 wei; the protocol is paused."""
    token.mint(minter, 10 * LPT, sender=owner)
    minter.depositETH(value=10, sender=jobs_manager)
    controller.pause(sender=owner)


@pytest.fixture
def successor(new_minter):
    return new_minter()


def test_migrate_to_new_minter__while_paused__moves_everything(minter, paused, successor, token, owner):
    receipt = minter.migrateToNewMinter(successor, sender=owner)

    assert (token.balanceOf(minter), minter.balance) == (0, 0)
    assert (token.balanceOf(successor), successor.balance) == (10 * LPT, 10)
    assert receipt.events == [token.Transfer(_from=minter, to=successor, value=10 * LPT)]


def test_migrate_to_new_minter__k26_while_running__reverts(minter, paused, successor, controller, owner):
    controller.unpause(sender=owner)

    with ape.reverts("system is not paused"):
        minter.migrateToNewMinter(successor, sender=owner)


def test_migrate_to_new_minter__by_stranger__reverts(minter, paused, successor, stranger):
    with ape.reverts("caller must be Controller owner"):
        minter.migrateToNewMinter(successor, sender=stranger)


def test_migrate_to_new_minter__to_itself__reverts(minter, paused, owner):
    with ape.reverts("new Minter cannot be current Minter"):
        minter.migrateToNewMinter(minter, sender=owner)


def test_migrate_to_new_minter__to_zero__reverts(minter, paused, owner):
    with ape.reverts("new Minter cannot be null address"):
        minter.migrateToNewMinter(ZERO_ADDRESS, sender=owner)


def test_migrate_to_new_minter__under_other_controller__reverts(project, minter, paused, owner):
    foreign = owner.deploy(project.Minter, owner.deploy(project.Controller), 0, 0, 0)

    with ape.reverts("new Minter Controller must be current Controller"):
        minter.migrateToNewMinter(foreign, sender=owner)


def test_migrate_to_new_minter__when_already_replaced__reverts(minter, paused, successor, register, owner):
    register("Minter", successor)

    with ape.reverts("new Minter must be registered"):
        minter.migrateToNewMinter(successor, sender=owner)


def test_migrate_to_new_minter__k23_token_says_false__reverts(project, minter, paused, successor, register, owner):
    register("LivepeerToken", owner.deploy(project.FalseTokenMock))

    with ape.reverts("LPT transfer failed"):
        minter.migrateToNewMinter(successor, sender=owner)
    assert minter.balance == 10
