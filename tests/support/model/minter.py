"""Minter (spec 7; differences: K21, K23, K26, packed words). There may be several: an old one and its successor."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.support.model.fractions import PPB, ppb_of_share
from tests.support.model.state import NOBODY, Cell, add, mul, require

if TYPE_CHECKING:
    from tests.support.model.protocol import Model


class Inflation(NamedTuple):
    rate: int
    change: int
    target: int
    mintable: int = 0
    minted: int = 0


class MinterModel:
    def __init__(self, model: Model, address: str, rates: tuple[int, int, int]) -> None:
        self._model = model
        self.address = address
        self._state: Cell[Inflation] = Cell(model.journal, f"inflation {address}", Inflation(*rates))

    # --- used by other contracts --------------------------------------------------------------------------------------

    def create_reward(self, num: int, denom: int) -> int:
        self._model.controller.when_not_paused()
        state = self._state.value
        amount = ppb_of_share(state.mintable, num, denom)
        require(state.minted + amount <= state.mintable, "minted tokens cannot exceed mintable tokens")
        self._state.value = state._replace(minted=state.minted + amount)
        self._model.token.mint(self.address, self.address, amount)
        return amount

    def pay_tokens(self, to: str, amount: int) -> None:
        self._model.controller.when_not_paused()
        self._model.token.move(self.address, to, amount)

    def burn_tokens(self, amount: int) -> None:
        self._model.controller.when_not_paused()
        self._model.token.burn(self.address, amount)

    def pay_ether(self, to: str, amount: int) -> None:
        self._model.controller.when_not_paused()
        if amount > 0:
            # Contracts of the protocol take no plain transfers.
            require(not self._model.is_contract(to))
            self._model.move_ether(self.address, to, amount)

    def set_reward_tokens(self) -> None:
        self._model.controller.when_not_paused()
        state, supply = self._state.value, self.global_supply
        bonded = self._model.bonding.current_total
        staked = bonded * PPB // supply if supply else 0
        rate = state.rate
        if staked < state.target:
            rate = min(rate + state.change, PPB)
        elif staked > state.target:
            rate = max(rate - state.change, 0)
        mintable = mul(supply, rate) // PPB
        require(mintable < 2**128, "mintable tokens exceed 128 bits")
        self._state.value = state._replace(rate=rate, mintable=mintable, minted=0)
        self._model.emit_at(self.address, "SetCurrentRewardTokens", mintable, rate)

    @property
    def global_supply(self) -> int:
        """The other chain has nothing: its cache answers zero."""
        return add(self._model.token.totalSupply(), 0)

    # --- calls --------------------------------------------------------------------------------------------------------

    def setTargetBondingRate(self, sender: str, rate: int) -> None:  # noqa: N802
        self._model.controller.only_owner(sender)
        require(rate <= PPB, "_targetBondingRate is invalid percentage")
        self._state.value = self._state.value._replace(target=rate)
        self._model.emit_at(self.address, "ParameterUpdate", "targetBondingRate")

    def setInflationChange(self, sender: str, change: int) -> None:  # noqa: N802
        self._model.controller.only_owner(sender)
        require(change <= PPB, "_inflationChange is invalid percentage")
        self._state.value = self._state.value._replace(change=change)
        self._model.emit_at(self.address, "ParameterUpdate", "inflationChange")

    def migrateToNewMinter(self, sender: str, new: str) -> None:  # noqa: N802
        controller = self._model.controller
        controller.only_owner(sender)
        require(controller.is_paused, "system is not paused")
        require(new != self.address, "new Minter cannot be current Minter")
        require(new != NOBODY, "new Minter cannot be null address")
        require(new in self._model.minters)
        require(controller.resolve("Minter") == self.address, "new Minter must be registered")
        self._model.token.move(self.address, new, self._model.token.balances[self.address])
        self._model.move_ether(self.address, new, self._model.ether[self.address])

    def createReward(self, sender: str, num: int, denom: int) -> int:  # noqa: N802
        self._only_bonding_manager(sender)
        return self.create_reward(num, denom)

    def trustedTransferTokens(self, sender: str, to: str, amount: int) -> None:  # noqa: N802
        self._only_bonding_manager(sender)
        self.pay_tokens(to, amount)

    def trustedBurnTokens(self, sender: str, amount: int) -> None:  # noqa: N802
        self._only_bonding_manager(sender)
        self.burn_tokens(amount)

    def trustedWithdrawETH(self, sender: str, to: str, amount: int) -> None:  # noqa: N802
        allowed = (self._model.controller.resolve("BondingManager"), self._model.controller.resolve("JobsManager"))
        require(sender in allowed, "msg.sender not BondingManager or JobsManager")
        self.pay_ether(to, amount)

    def depositETH(self, sender: str) -> bool:  # noqa: N802
        allowed = (self._model.controller.resolve("Minter"), self._model.controller.resolve("JobsManager"))
        require(sender in allowed, "msg.sender not Minter or JobsManager")
        return True

    def setCurrentRewardTokens(self, sender: str) -> None:  # noqa: N802
        require(sender == self._model.controller.resolve("RoundsManager"), "msg.sender not RoundsManager")
        self.set_reward_tokens()

    def _only_bonding_manager(self, sender: str) -> None:
        require(sender == self._model.controller.resolve("BondingManager"), "msg.sender not BondingManager")

    # --- views --------------------------------------------------------------------------------------------------------

    def inflation(self) -> int:
        return self._state.value.rate

    def inflationChange(self) -> int:  # noqa: N802
        return self._state.value.change

    def targetBondingRate(self) -> int:  # noqa: N802
        return self._state.value.target

    def currentMintableTokens(self) -> int:  # noqa: N802
        return self._state.value.mintable

    def currentMintedTokens(self) -> int:  # noqa: N802
        return self._state.value.minted

    def getGlobalTotalSupply(self) -> int:  # noqa: N802
        return self.global_supply

    def getController(self) -> str:  # noqa: N802
        return self._model.address_of["Controller"]
