# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Who may do what: roles and their holders
@license MIT
@notice Accounts hold roles; each role is granted and revoked by the holders of another one, its admin.
@dev Behaviour and wording of role access control as deployed (spec 8, 13). The admin of a role is `_admins[role]`, zero
     (DEFAULT_ADMIN_ROLE) unless a contract sets another.
"""


DEFAULT_ADMIN_ROLE: public(constant(bytes32)) = empty(bytes32)
# ERC-165 id of role access control.
INTERFACE_ID: constant(bytes4) = 0x7965db0b


# role -> account -> held?
hasRole: public(HashMap[bytes32, HashMap[address, bool]])
_admins: HashMap[bytes32, bytes32]


event RoleGranted:
    role: indexed(bytes32)
    account: indexed(address)
    sender: indexed(address)


event RoleRevoked:
    role: indexed(bytes32)
    account: indexed(address)
    sender: indexed(address)


event RoleAdminChanged:
    role: indexed(bytes32)
    previousAdminRole: indexed(bytes32)
    newAdminRole: indexed(bytes32)


@external
def grantRole(role: bytes32, account: address):
    """
    @notice Give a role to an account; no effect if it has it. Holders of the role's admin role only.
    @param role keccak256 of the role's name, zero for DEFAULT_ADMIN_ROLE.
    @param account Who gets it.
    """
    self._only_role(self._admins[role])
    self._grant(role, account)


@external
def revokeRole(role: bytes32, account: address):
    """
    @notice Take a role from an account; no effect if it does not have it. Holders of the role's admin role only.
    @param role keccak256 of the role's name, zero for DEFAULT_ADMIN_ROLE.
    @param account Who loses it.
    """
    self._only_role(self._admins[role])
    self._revoke(role, account)


@external
def renounceRole(role: bytes32, account: address):
    """
    @notice Give up a role of the caller's.
    @param role keccak256 of the role's name, zero for DEFAULT_ADMIN_ROLE.
    @param account The caller, as a safeguard against mistakes.
    """
    assert account == msg.sender, "AccessControl: can only renounce roles for self"
    self._revoke(role, account)


@external
@view
def getRoleAdmin(role: bytes32) -> bytes32:
    """
    @notice The role whose holders grant and revoke a role.
    @param role keccak256 of the role's name.
    @return The admin role.
    """
    return self._admins[role]


@internal
def _set_admin(_role: bytes32, _admin: bytes32):
    previous: bytes32 = self._admins[_role]
    self._admins[_role] = _admin
    log RoleAdminChanged(role=_role, previousAdminRole=previous, newAdminRole=_admin)


@internal
def _grant(_role: bytes32, _account: address):
    if not self.hasRole[_role][_account]:
        self.hasRole[_role][_account] = True
        log RoleGranted(role=_role, account=_account, sender=msg.sender)


@internal
def _revoke(_role: bytes32, _account: address):
    if self.hasRole[_role][_account]:
        self.hasRole[_role][_account] = False
        log RoleRevoked(role=_role, account=_account, sender=msg.sender)


@internal
@view
def _only_role(_role: bytes32):
    if self.hasRole[_role][msg.sender]:
        return

    account: uint256 = convert(msg.sender, uint256)
    role: uint256 = convert(_role, uint256)
    reason: Bytes[148] = concat(
        b"AccessControl: account 0x",
        # 20 bytes: eight digits, then thirty-two.
        slice(self._hex_digits(account >> 128), 24, 8),
        self._hex_digits(account),
        b" is missing role 0x",
        self._hex_digits(role >> 128),
        self._hex_digits(role),
    )
    raw_revert(abi_encode(reason, method_id=method_id("Error(string)")))


@internal
@pure
def _hex_digits(_number: uint256) -> bytes32:
    """
    @dev The lower 128 bits of a number as thirty-two lower-case ASCII digits.
    """
    digits: uint256 = 0
    for i: uint256 in range(32):
        nibble: uint256 = (_number >> (124 - 4 * i)) & 15
        # "0" is 48, "a" is 97.
        digits = (digits << 8) | (nibble + (48 if nibble < 10 else 87))
    return convert(digits, bytes32)
