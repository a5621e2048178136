"""LivepeerToken (spec 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.support.model.signatures import HALF_ORDER, recover
from tests.support.model.state import MAX_WORD, NOBODY, Cell, Refused, Table, add, require

if TYPE_CHECKING:
    from tests.support.model.protocol import Model

ADMIN_ROLE = bytes(32)
MINTER_ROLE = bytes(keccak(text="MINTER_ROLE"))
BURNER_ROLE = bytes(keccak(text="BURNER_ROLE"))
PERMIT = bytes(keccak(text="Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"))
DOMAIN = bytes(keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"))


class TokenModel:
    """ERC-20 with permit, roles, mint and burn."""

    def __init__(self, model: Model, owner: str) -> None:
        self._model = model
        self.balances: Table[str, int] = Table(model.journal, "balances", 0)
        self._allowances: Table[tuple[str, str], int] = Table(model.journal, "allowances", 0)
        self._supply: Cell[int] = Cell(model.journal, "supply", 0)
        self._roles: Table[tuple[bytes, str], bool] = Table(model.journal, "roles", False)
        self._nonces: Table[str, int] = Table(model.journal, "nonces", 0)
        self._roles[ADMIN_ROLE, owner] = True

    # --- used by other contracts --------------------------------------------------------------------------------------

    def move(self, source: str, to: str, amount: int) -> None:
        require(source != NOBODY, "ERC20: transfer from the zero address")
        require(to != NOBODY, "ERC20: transfer to the zero address")
        require(self.balances[source] >= amount, "ERC20: transfer amount exceeds balance")
        self.balances[source] -= amount
        self.balances[to] += amount
        self._model.emit("LivepeerToken", "Transfer", source, to, amount)

    # --- calls --------------------------------------------------------------------------------------------------------

    def transfer(self, sender: str, to: str, amount: int) -> bool:
        self.move(sender, to, amount)
        return True

    def transferFrom(self, sender: str, source: str, to: str, amount: int) -> bool:  # noqa: N802
        self._spend(source, sender, amount)
        self.move(source, to, amount)
        return True

    def approve(self, sender: str, spender: str, amount: int) -> bool:
        self._approve(sender, spender, amount)
        return True

    def increaseAllowance(self, sender: str, spender: str, amount: int) -> bool:  # noqa: N802
        self._approve(sender, spender, add(self._allowances[sender, spender], amount))
        return True

    def decreaseAllowance(self, sender: str, spender: str, amount: int) -> bool:  # noqa: N802
        allowed = self._allowances[sender, spender]
        require(allowed >= amount, "ERC20: decreased allowance below zero")
        self._approve(sender, spender, allowed - amount)
        return True

    def permit(
        self, sender: str, owner: str, spender: str, value: int, deadline: int, v: int, r: bytes, s: bytes
    ) -> None:
        del sender
        require(self._model.timestamp <= deadline, "ERC20Permit: expired deadline")
        digest = self.permit_digest(owner, spender, value, self._nonces[owner], deadline)
        self._nonces[owner] += 1
        require(int.from_bytes(s, "big") <= HALF_ORDER, "ECDSA: invalid signature 's' value")
        signer = recover(digest, r + s, v)
        require(signer != NOBODY, "ECDSA: invalid signature")
        require(signer == owner, "ERC20Permit: invalid signature")
        self._approve(owner, spender, value)

    def mint(self, sender: str, to: str, amount: int) -> None:
        self._only_role(MINTER_ROLE, sender)
        require(to != NOBODY, "ERC20: mint to the zero address")
        self._supply.value = add(self._supply.value, amount)
        self.balances[to] += amount
        self._model.emit("LivepeerToken", "Transfer", NOBODY, to, amount)
        self._model.emit("LivepeerToken", "Mint", to, amount)

    def burn(self, sender: str, amount: int) -> None:
        self._only_role(BURNER_ROLE, sender)
        self._burn(sender, amount)

    def burnFrom(self, sender: str, source: str, amount: int) -> None:  # noqa: N802
        self._only_role(BURNER_ROLE, sender)
        self._spend(source, sender, amount)
        self._burn(source, amount)

    def grantRole(self, sender: str, role: bytes, account: str) -> None:  # noqa: N802
        self._only_role(ADMIN_ROLE, sender)
        if not self._roles[role, account]:
            self._roles[role, account] = True
            self._model.emit("LivepeerToken", "RoleGranted", role, account, sender)

    def revokeRole(self, sender: str, role: bytes, account: str) -> None:  # noqa: N802
        self._only_role(ADMIN_ROLE, sender)
        self._revoke(sender, role, account)

    def renounceRole(self, sender: str, role: bytes, account: str) -> None:  # noqa: N802
        require(account == sender, "AccessControl: can only renounce roles for self")
        self._revoke(sender, role, account)

    # --- views --------------------------------------------------------------------------------------------------------

    def balanceOf(self, account: str) -> int:  # noqa: N802
        return self.balances[account]

    def allowance(self, owner: str, spender: str) -> int:
        return self._allowances[owner, spender]

    def totalSupply(self) -> int:  # noqa: N802
        return self._supply.value

    def hasRole(self, role: bytes, account: str) -> bool:  # noqa: N802
        return self._roles[role, account]

    def nonces(self, account: str) -> int:
        return self._nonces[account]

    # --- within -------------------------------------------------------------------------------------------------------

    def permit_digest(self, owner: str, spender: str, value: int, nonce: int, deadline: int) -> bytes:
        """What the owner signs (EIP-712)."""
        domain = encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [
                DOMAIN,
                keccak(text="Livepeer Token"),
                keccak(text="1"),
                self._model.chain_id,
                self._model.address_of["LivepeerToken"],
            ],
        )
        message = encode(
            ["bytes32", "address", "address", "uint256", "uint256", "uint256"],
            [PERMIT, owner, spender, value, nonce, deadline],
        )
        return bytes(keccak(b"\x19\x01" + keccak(domain) + keccak(message)))

    def _approve(self, owner: str, spender: str, amount: int) -> None:
        require(owner != NOBODY, "ERC20: approve from the zero address")
        require(spender != NOBODY, "ERC20: approve to the zero address")
        self._allowances[owner, spender] = amount
        self._model.emit("LivepeerToken", "Approval", owner, spender, amount)

    def _spend(self, owner: str, spender: str, amount: int) -> None:
        allowed = self._allowances[owner, spender]
        if allowed != MAX_WORD:
            require(allowed >= amount, "ERC20: insufficient allowance")
            self._approve(owner, spender, allowed - amount)

    def _burn(self, source: str, amount: int) -> None:
        require(source != NOBODY, "ERC20: burn from the zero address")
        require(self.balances[source] >= amount, "ERC20: burn amount exceeds balance")
        self.balances[source] -= amount
        self._supply.value -= amount
        self._model.emit("LivepeerToken", "Transfer", source, NOBODY, amount)
        self._model.emit("LivepeerToken", "Burn", source, amount)

    def _revoke(self, sender: str, role: bytes, account: str) -> None:
        if self._roles[role, account]:
            self._roles[role, account] = False
            self._model.emit("LivepeerToken", "RoleRevoked", role, account, sender)

    def _only_role(self, role: bytes, account: str) -> None:
        if not self._roles[role, account]:
            raise Refused(f"AccessControl: account {account} is missing role 0x{role.hex()}")
