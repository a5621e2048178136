import ape
import pytest

ADMIN_ROLE = bytes(32)


def missing_role(account, role: bytes) -> str:
    return f"AccessControl: account {str(account).lower()} is missing role 0x{role.hex()}"


def test_constructor__by_deployer__gives_it_the_admin_role_only(token, owner, burner_role):
    assert token.DEFAULT_ADMIN_ROLE() == ADMIN_ROLE
    assert token.hasRole(ADMIN_ROLE, owner)
    assert not token.hasRole(burner_role, owner)


def test_get_role_admin__of_any_role__is_the_admin_role(token, minter_role, burner_role):
    assert {token.getRoleAdmin(role) for role in (minter_role, burner_role, ADMIN_ROLE)} == {ADMIN_ROLE}


def test_grant_role__by_admin__gives_it(token, owner, receiver, burner_role):
    receipt = token.grantRole(burner_role, receiver, sender=owner)

    assert token.hasRole(burner_role, receiver)
    assert receipt.events == [token.RoleGranted(role=burner_role, account=receiver, sender=owner)]


def test_grant_role__already_held__does_nothing(token, owner, minter_role):
    assert token.grantRole(minter_role, owner, sender=owner).events == []


def test_grant_role__by_stranger__reverts(token, stranger, minter_role):
    with ape.reverts(missing_role(stranger.address, ADMIN_ROLE)):
        token.grantRole(minter_role, stranger, sender=stranger)


def test_revoke_role__by_admin__takes_it(token, owner, minter_role):
    receipt = token.revokeRole(minter_role, owner, sender=owner)

    assert not token.hasRole(minter_role, owner)
    assert receipt.events == [token.RoleRevoked(role=minter_role, account=owner, sender=owner)]


def test_revoke_role__not_held__does_nothing(token, owner, stranger, minter_role):
    assert token.revokeRole(minter_role, stranger, sender=owner).events == []


def test_revoke_role__by_stranger__reverts(token, owner, stranger, minter_role):
    with ape.reverts(missing_role(stranger.address, ADMIN_ROLE)):
        token.revokeRole(minter_role, owner, sender=stranger)


def test_renounce_role__for_oneself__gives_it_up(token, owner, minter_role):
    receipt = token.renounceRole(minter_role, owner, sender=owner)

    assert not token.hasRole(minter_role, owner)
    assert receipt.events == [token.RoleRevoked(role=minter_role, account=owner, sender=owner)]


def test_renounce_role__for_another__reverts(token, owner, stranger, minter_role):
    with ape.reverts("AccessControl: can only renounce roles for self"):
        token.renounceRole(minter_role, owner, sender=stranger)


@pytest.mark.parametrize(
    ("interface", "supported"),
    [("0x01ffc9a7", True), ("0x7965db0b", True), ("0xffffffff", False), ("0x00000000", False)],
)
def test_supports_interface__per_id__answers(token, interface, supported):
    assert token.supportsInterface(interface) is supported
