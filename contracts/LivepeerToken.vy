# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Livepeer Token (LPT)
@license MIT
@notice ERC-20 with signed approvals (ERC-2612), a published signing domain (ERC-5267) and roles for minting and burning.
@dev Not proxied. Refusals use the wording of the deployed token (spec 8).
@custom:kill Transfers cannot be stopped. Minting and burning stop when the admin revokes MINTER_ROLE and BURNER_ROLE.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from .interfaces import ILivepeerToken

from .modules import roles

initializes: roles
implements: IERC20
implements: IERC20Detailed
implements: ILivepeerToken
exports: (
    roles.hasRole,
    roles.DEFAULT_ADMIN_ROLE,
    roles.grantRole,
    roles.revokeRole,
    roles.renounceRole,
    roles.getRoleAdmin,
)


name: public(constant(String[14])) = "Livepeer Token"
symbol: public(constant(String[3])) = "LPT"
decimals: public(constant(uint8)) = 18

MINTER_ROLE: constant(bytes32) = keccak256("MINTER_ROLE")
BURNER_ROLE: constant(bytes32) = keccak256("BURNER_ROLE")

DOMAIN_VERSION: constant(String[1]) = "1"
DOMAIN_TYPE_HASH: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
PERMIT_TYPE_HASH: constant(bytes32) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)
# Half the order of secp256k1: a signature with a larger s has a twin with a smaller one.
MAX_S: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

ERC165_ID: constant(bytes4) = 0x01ffc9a7


balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
totalSupply: public(uint256)
# Number of permits an account has used.
nonces: public(HashMap[address, uint256])


# `from` is a keyword of the language; the published ABI has the name without the underscore.
event Transfer:
    _from: indexed(address)
    to: indexed(address)
    value: uint256


event Approval:
    owner: indexed(address)
    spender: indexed(address)
    value: uint256


event Mint:
    to: indexed(address)
    amount: uint256


event Burn:
    burner: indexed(address)
    amount: uint256


# The next two belong to the published ABI; neither roles' admins nor the signing domain ever change here.
event RoleAdminChanged:
    role: indexed(bytes32)
    previousAdminRole: indexed(bytes32)
    newAdminRole: indexed(bytes32)


event EIP712DomainChanged:
    pass


@deploy
def __init__():
    """
    @notice The deployer may grant and revoke every role; nothing is minted.
    """
    roles._grant(roles.DEFAULT_ADMIN_ROLE, msg.sender)


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Send the caller's tokens.
    @param to Receiver, not zero.
    @param amount LPT in units of 1e-18.
    @return Always true.
    """
    self._transfer(msg.sender, to, amount)
    return True


@external
def transferFrom(_from: address, to: address, amount: uint256) -> bool:
    """
    @notice Send tokens of an account that has allowed the caller to.
    @param _from Payer.
    @param to Receiver, not zero.
    @param amount LPT in units of 1e-18.
    @return Always true.
    """
    self._spend_allowance(_from, msg.sender, amount)
    self._transfer(_from, to, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Allow an account to spend the caller's tokens.
    @param spender Who may spend.
    @param amount LPT in units of 1e-18; 2**256 - 1 is never used up.
    @return Always true.
    """
    self._approve(msg.sender, spender, amount)
    return True


@external
def increaseAllowance(spender: address, addedValue: uint256) -> bool:
    """
    @notice Allow an account to spend more of the caller's tokens.
    @param spender Who may spend.
    @param addedValue LPT in units of 1e-18.
    @return Always true.
    """
    self._approve(msg.sender, spender, self.allowance[msg.sender][spender] + addedValue)
    return True


@external
def decreaseAllowance(spender: address, subtractedValue: uint256) -> bool:
    """
    @notice Allow an account to spend less of the caller's tokens.
    @param spender Who may spend.
    @param subtractedValue LPT in units of 1e-18.
    @return Always true.
    """
    allowed: uint256 = self.allowance[msg.sender][spender]
    assert allowed >= subtractedValue, "ERC20: decreased allowance below zero"
    self._approve(msg.sender, spender, unsafe_sub(allowed, subtractedValue))
    return True


@external
def permit(owner: address, spender: address, _value: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    """
    @notice Approve with the holder's signature instead of its transaction (ERC-2612). Any caller.
    @param owner The holder, who signed.
    @param spender Who may spend.
    @param _value LPT in units of 1e-18.
    @param deadline Last second (Unix time) at which the signature holds.
    @param v Recovery id, 27 or 28.
    @param r First half of the signature.
    @param s Second half of the signature, in the lower half of its range.
    """
    assert block.timestamp <= deadline, "ERC20Permit: expired deadline"

    nonce: uint256 = self.nonces[owner]
    self.nonces[owner] = nonce + 1
    message: bytes32 = keccak256(abi_encode(PERMIT_TYPE_HASH, owner, spender, _value, nonce, deadline))
    digest: bytes32 = keccak256(concat(b"\x19\x01", self._domain_separator(), message))

    assert convert(s, uint256) <= MAX_S, "ECDSA: invalid signature 's' value"
    signer: address = ecrecover(digest, v, r, s)
    assert signer != empty(address), "ECDSA: invalid signature"
    assert signer == owner, "ERC20Permit: invalid signature"
    self._approve(owner, spender, _value)


@external
def mint(_to: address, _amount: uint256):
    """
    @notice Create tokens. MINTER_ROLE only.
    @param _to Receiver, not zero.
    @param _amount LPT in units of 1e-18.
    """
    roles._only_role(MINTER_ROLE)
    assert _to != empty(address), "ERC20: mint to the zero address"

    self.totalSupply += _amount
    # No balance exceeds the supply, whose sum was checked.
    self.balanceOf[_to] = unsafe_add(self.balanceOf[_to], _amount)
    log Transfer(_from=empty(address), to=_to, value=_amount)
    log Mint(to=_to, amount=_amount)


@external
def burn(_amount: uint256):
    """
    @notice Destroy the caller's tokens. BURNER_ROLE only.
    @param _amount LPT in units of 1e-18.
    """
    roles._only_role(BURNER_ROLE)
    self._burn(msg.sender, _amount)


@external
def burnFrom(_from: address, _amount: uint256):
    """
    @notice Destroy tokens of an account that has allowed the caller to spend them. BURNER_ROLE only.
    @param _from Holder.
    @param _amount LPT in units of 1e-18.
    """
    roles._only_role(BURNER_ROLE)
    self._spend_allowance(_from, msg.sender, _amount)
    self._burn(_from, _amount)


@external
@view
def supportsInterface(interfaceId: bytes4) -> bool:
    """
    @notice ERC-165 detection.
    @param interfaceId The interface asked for.
    @return True for ERC-165 and role access control.
    """
    return interfaceId in [ERC165_ID, roles.INTERFACE_ID]


@external
@view
def DOMAIN_SEPARATOR() -> bytes32:
    """
    @notice Hash of the signing domain (EIP-712).
    @return The hash, for the current chain id.
    """
    return self._domain_separator()


@external
@view
def eip712Domain() -> (bytes1, String[14], String[1], uint256, address, bytes32, DynArray[uint256, 1]):
    """
    @notice The signing domain in parts (ERC-5267).
    @return Which fields are used (0x0f: the next four), name, version, chain id, contract, salt, extensions.
    """
    return 0x0f, name, DOMAIN_VERSION, chain.id, self, empty(bytes32), []


@internal
def _transfer(_from: address, _to: address, _amount: uint256):
    assert _from != empty(address), "ERC20: transfer from the zero address"
    assert _to != empty(address), "ERC20: transfer to the zero address"
    balance: uint256 = self.balanceOf[_from]
    assert balance >= _amount, "ERC20: transfer amount exceeds balance"
    self.balanceOf[_from] = unsafe_sub(balance, _amount)
    # The sum of all balances is the supply, so no balance can overflow.
    self.balanceOf[_to] = unsafe_add(self.balanceOf[_to], _amount)
    log Transfer(_from=_from, to=_to, value=_amount)


@internal
def _burn(_from: address, _amount: uint256):
    assert _from != empty(address), "ERC20: burn from the zero address"
    balance: uint256 = self.balanceOf[_from]
    assert balance >= _amount, "ERC20: burn amount exceeds balance"
    self.balanceOf[_from] = unsafe_sub(balance, _amount)
    # No balance exceeds the supply.
    self.totalSupply = unsafe_sub(self.totalSupply, _amount)
    log Transfer(_from=_from, to=empty(address), value=_amount)
    log Burn(burner=_from, amount=_amount)


@internal
def _approve(_owner: address, _spender: address, _amount: uint256):
    assert _owner != empty(address), "ERC20: approve from the zero address"
    assert _spender != empty(address), "ERC20: approve to the zero address"
    self.allowance[_owner][_spender] = _amount
    log Approval(owner=_owner, spender=_spender, value=_amount)


@internal
def _spend_allowance(_owner: address, _spender: address, _amount: uint256):
    """
    @dev An allowance of 2**256 - 1 is not used up.
    """
    allowed: uint256 = self.allowance[_owner][_spender]
    if allowed != max_value(uint256):
        assert allowed >= _amount, "ERC20: insufficient allowance"
        self._approve(_owner, _spender, unsafe_sub(allowed, _amount))


@internal
@view
def _domain_separator() -> bytes32:
    """
    @dev Not stored, so that a signature never holds on both sides of a chain split.
    """
    return keccak256(abi_encode(DOMAIN_TYPE_HASH, keccak256(name), keccak256(DOMAIN_VERSION), chain.id, self))
