# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Inflation, and custody of bonded LPT and deposited ETH
@license MIT
@notice Holds all LPT at stake and all ETH of broadcasters and fee earners. Only the BondingManager and the TicketBroker
        can pay out; only the BondingManager can mint, and per round no more than inflation allows.
@dev Not proxied: a new Minter is reached with `migrateToNewMinter`. Percentages are parts of 1e9 (spec 2, 7).
@custom:kill The Controller's pause stops minting, payouts and new rounds; deposits stay possible, but the TicketBroker
             refuses them while paused. Funds leave a paused Minter only through `migrateToNewMinter`.
"""

from .interfaces import IBondingManager
from .interfaces import IL2LPTDataCache
from .interfaces import ILivepeerToken
from .interfaces import IMinter
from .modules import manager

initializes: manager
implements: IMinter
exports: (manager.controller, manager.setController)


# 100 %.
PERC_DIVISOR: constant(uint256) = 1_000_000_000


# Percentages fit 64 bits, tokens of a round 128.
PERC_MASK: constant(uint256) = 2**64 - 1
AMOUNT_BITS: constant(uint256) = 128
AMOUNT_MASK: constant(uint256) = 2**128 - 1


struct Rates:
    # Share of the global supply minted per round, in parts of 1e9.
    inflation: uint256
    # By how much inflation moves per round, in parts of 1e9.
    inflationChange: uint256
    # Share of the global supply that should be at stake, in parts of 1e9.
    targetBondingRate: uint256


# target bonding rate (64 bits) | inflation change (64) | inflation (64)
_rates: uint256
# LPT (1e-18) already minted in the current round (128 bits) | that may be minted in it (128): every reward needs both.
_tokens: uint256


event SetCurrentRewardTokens:
    currentMintableTokens: uint256
    currentInflation: uint256


@deploy
def __init__(_controller: address, _inflation: uint256, _inflationChange: uint256, _targetBondingRate: uint256):
    """
    @param _controller The Controller to obey.
    @param _inflation Share of the supply to mint per round, in parts of 1e9.
    @param _inflationChange By how much inflation moves per round, in parts of 1e9.
    @param _targetBondingRate Share of the supply that should be at stake, in parts of 1e9.
    """
    manager.__init__(_controller)
    assert _inflation <= PERC_DIVISOR, "_inflation is invalid percentage"
    assert _inflationChange <= PERC_DIVISOR, "_inflationChange is invalid percentage"
    assert _targetBondingRate <= PERC_DIVISOR, "_targetBondingRate is invalid percentage"
    self._store_rates(
        Rates(inflation=_inflation, inflationChange=_inflationChange, targetBondingRate=_targetBondingRate)
    )


@external
def setTargetBondingRate(_targetBondingRate: uint256):
    """
    @notice Set the share of the supply that should be at stake. Controller owner only.
    @param _targetBondingRate Parts of 1e9.
    """
    manager._only_controller_owner()
    assert _targetBondingRate <= PERC_DIVISOR, "_targetBondingRate is invalid percentage"
    rates: Rates = self._load_rates()
    rates.targetBondingRate = _targetBondingRate
    self._store_rates(rates)
    log manager.ParameterUpdate(param="targetBondingRate")


@external
def setInflationChange(_inflationChange: uint256):
    """
    @notice Set by how much inflation moves per round. Controller owner only.
    @param _inflationChange Parts of 1e9.
    """
    manager._only_controller_owner()
    assert _inflationChange <= PERC_DIVISOR, "_inflationChange is invalid percentage"
    rates: Rates = self._load_rates()
    rates.inflationChange = _inflationChange
    self._store_rates(rates)
    log manager.ParameterUpdate(param="inflationChange")


@external
def migrateToNewMinter(_newMinter: address):
    """
    @notice Move all LPT and ETH to a new Minter. Controller owner only, while the protocol is paused.
    @dev Must be called while this contract is still the registered Minter, since the new one takes ETH from the
         registered Minter only. Register the new one and give it the minting role before the protocol runs again: until
         then payouts fail, hence the pause (spec 18, K26; the deployed contract does not ask for it).
    @param _newMinter The new Minter, under the same Controller.
    """
    manager._only_controller_owner()
    manager._when_paused()
    assert _newMinter != self, "new Minter cannot be current Minter"
    assert _newMinter != empty(address), "new Minter cannot be null address"
    assert (
        staticcall IMinter(_newMinter).getController() == manager.controller
    ), "new Minter Controller must be current Controller"
    assert manager._resolve(manager.MINTER) == self, "new Minter must be registered"

    token: ILivepeerToken = ILivepeerToken(manager._resolve(manager.LIVEPEER_TOKEN))
    self._transfer_tokens(token, _newMinter, staticcall token.balanceOf(self))
    assert extcall IMinter(_newMinter).depositETH(value=self.balance), "new Minter did not accept ETH"


@external
def createReward(_fracNum: uint256, _fracDenom: uint256) -> uint256:
    """
    @notice Mint a transcoder's share of the round's tokens to this contract. BondingManager only.
    @dev Two roundings down: the share to parts of 1e9, then the amount (spec 2, 7).
    @param _fracNum The transcoder's active stake.
    @param _fracDenom The total active stake.
    @return LPT (1e-18) minted.
    """
    self._only_bonding_manager()
    manager._when_not_paused()

    tokens: uint256 = self._tokens
    mintable: uint256 = tokens & AMOUNT_MASK
    amount: uint256 = mintable * (_fracNum * PERC_DIVISOR // _fracDenom) // PERC_DIVISOR
    minted: uint256 = (tokens >> AMOUNT_BITS) + amount
    assert minted <= mintable, "minted tokens cannot exceed mintable tokens"
    self._tokens = (minted << AMOUNT_BITS) | mintable

    extcall ILivepeerToken(manager._resolve(manager.LIVEPEER_TOKEN)).mint(self, amount)
    return amount


@external
def trustedTransferTokens(_to: address, _amount: uint256):
    """
    @notice Pay out LPT. BondingManager only.
    @param _to Receiver.
    @param _amount LPT in units of 1e-18.
    """
    self._only_bonding_manager()
    manager._when_not_paused()
    self._transfer_tokens(ILivepeerToken(manager._resolve(manager.LIVEPEER_TOKEN)), _to, _amount)


@external
def trustedBurnTokens(_amount: uint256):
    """
    @notice Burn LPT held here. BondingManager only.
    @dev Works only if this contract was given the token's burner role (spec 7).
    @param _amount LPT in units of 1e-18.
    """
    self._only_bonding_manager()
    manager._when_not_paused()
    extcall ILivepeerToken(manager._resolve(manager.LIVEPEER_TOKEN)).burn(_amount)


@external
def trustedWithdrawETH(_to: address, _amount: uint256):
    """
    @notice Pay out ETH. BondingManager and TicketBroker only.
    @dev Forwards the 2300 gas stipend only, so the receiver cannot enter the protocol again. A payment of nothing does
         not call the receiver, since without value there would be no stipend either.
    @param _to Receiver.
    @param _amount Wei.
    """
    assert (
        msg.sender == manager._resolve(manager.BONDING_MANAGER) or msg.sender == manager._resolve(manager.JOBS_MANAGER)
    ), "msg.sender not BondingManager or JobsManager"
    manager._when_not_paused()
    if _amount > 0:
        send(_to, _amount)


@external
@payable
def depositETH() -> bool:
    """
    @notice Take ETH into custody. TicketBroker and the registered Minter only, the latter during a migration.
    @dev Not stopped by the pause, because a migration happens while paused.
    @return Always true.
    """
    assert (
        msg.sender == manager._resolve(manager.JOBS_MANAGER) or msg.sender == manager._resolve(manager.MINTER)
    ), "msg.sender not Minter or JobsManager"
    return True


@external
def setCurrentRewardTokens():
    """
    @notice Fix inflation and mintable tokens of the new round. RoundsManager only.
    @dev Inflation rises while too little is at stake and falls while too much is (spec 7). It never exceeds 100 % per
         round (spec 18, K23).
    """
    assert msg.sender == manager._resolve(manager.ROUNDS_MANAGER), "msg.sender not RoundsManager"
    manager._when_not_paused()

    supply: uint256 = self._global_supply()
    bonded: uint256 = staticcall IBondingManager(manager._resolve(manager.BONDING_MANAGER)).getTotalBonded()
    rate: uint256 = 0
    if supply > 0:
        rate = bonded * PERC_DIVISOR // supply

    rates: Rates = self._load_rates()
    if rate < rates.targetBondingRate:
        rates.inflation = min(rates.inflation + rates.inflationChange, PERC_DIVISOR)
    elif rate > rates.targetBondingRate:
        rates.inflation -= min(rates.inflation, rates.inflationChange)
    self._store_rates(rates)

    mintable: uint256 = supply * rates.inflation // PERC_DIVISOR
    assert mintable <= AMOUNT_MASK, "mintable tokens exceed 128 bits"
    # Nothing is minted yet.
    self._tokens = mintable
    log SetCurrentRewardTokens(currentMintableTokens=mintable, currentInflation=rates.inflation)


@external
@view
def inflation() -> uint256:
    """
    @notice Share of the global supply minted per round.
    @return Parts of 1e9.
    """
    return self._load_rates().inflation


@external
@view
def inflationChange() -> uint256:
    """
    @notice By how much inflation moves per round.
    @return Parts of 1e9.
    """
    return self._load_rates().inflationChange


@external
@view
def targetBondingRate() -> uint256:
    """
    @notice Share of the global supply that should be at stake.
    @return Parts of 1e9.
    """
    return self._load_rates().targetBondingRate


@external
@view
def currentMintableTokens() -> uint256:
    """
    @notice What may be minted in the current round.
    @return LPT in units of 1e-18.
    """
    return self._tokens & AMOUNT_MASK


@external
@view
def currentMintedTokens() -> uint256:
    """
    @notice What was minted in the current round.
    @return LPT in units of 1e-18.
    """
    return self._tokens >> AMOUNT_BITS


@external
@view
def getController() -> address:
    """
    @notice The Controller that this Minter obeys; an old Minter asks for it before a migration.
    @return The Controller.
    """
    return manager.controller


@external
@view
def getGlobalTotalSupply() -> uint256:
    """
    @notice LPT supply on this chain and on L1 together.
    @return LPT in units of 1e-18.
    """
    return self._global_supply()


@internal
@view
def _load_rates() -> Rates:
    word: uint256 = self._rates
    return Rates(
        inflation=word & PERC_MASK,
        inflationChange=(word >> 64) & PERC_MASK,
        targetBondingRate=word >> 128,
    )


@internal
def _store_rates(_record: Rates):
    """
    @dev The caller guarantees that each is at most 1e9.
    """
    self._rates = (_record.targetBondingRate << 128) | (_record.inflationChange << 64) | _record.inflation


@internal
@view
def _global_supply() -> uint256:
    token: address = manager._resolve(manager.LIVEPEER_TOKEN)
    cache: address = manager._resolve(manager.L2_LPT_DATA_CACHE)
    return staticcall ILivepeerToken(token).totalSupply() + staticcall IL2LPTDataCache(cache).l1CirculatingSupply()


@internal
def _transfer_tokens(_token: ILivepeerToken, _to: address, _amount: uint256):
    assert extcall _token.transfer(_to, _amount), "LPT transfer failed"


@internal
@view
def _only_bonding_manager():
    assert msg.sender == manager._resolve(manager.BONDING_MANAGER), "msg.sender not BondingManager"
