# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Probabilistic ticket: hash, commitment, draw, signature
@license MIT
@notice On-chain twin of the client's ticket codec. Without storage: every function is a question about its arguments.
@dev Checks answer with a fault number instead of reverting, so that a batch can leave a bad ticket out; `_reason`
     turns the number into the text of the single call (spec 11.1 and 11.5).
"""


# auxData = creationRound (32 bytes, big-endian) ‖ creationRoundBlockHash (32 bytes).
AUX_DATA_BYTES: constant(uint256) = 64
# r (32 bytes) ‖ s (32 bytes) ‖ v (1 byte).
SIGNATURE_BYTES: constant(uint256) = 65
# Room above the two lengths: what is too long by a little must reach the named checks, while calldata beyond a bound
# reverts the whole call, a batch included, before any code runs (spec 21).
MAX_BYTES: constant(uint256) = 96
# EIP-191: what is signed is the hash behind this prefix, "\x19Ethereum Signed Message:\n32".
SIGNED_MESSAGE: constant(bytes28) = 0x19457468657265756d205369676e6564204d6573736167653a0a3332
# Half of the order of secp256k1, rounded down: the larger of the two s values of a signature is refused (R7).
MAX_S: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

# Faults, in the order in which they are looked for.
OK: constant(uint256) = 0
NULL_RECIPIENT: constant(uint256) = 1
NULL_SENDER: constant(uint256) = 2
AUX_DATA_LENGTH: constant(uint256) = 3
NO_BLOCK_HASH: constant(uint256) = 4
WRONG_BLOCK_HASH: constant(uint256) = 5
EXPIRED: constant(uint256) = 6
WRONG_RAND: constant(uint256) = 7
USED: constant(uint256) = 8
SIGNATURE_LENGTH: constant(uint256) = 9
SIGNATURE_HIGH_S: constant(uint256) = 10
SIGNATURE_INVALID: constant(uint256) = 11
OTHER_SIGNER: constant(uint256) = 12
NOT_WON: constant(uint256) = 13
SENDER_UNLOCKED: constant(uint256) = 14
NO_FUNDS: constant(uint256) = 15
FUNDS_SHORT: constant(uint256) = 16


struct Ticket:
    # Who may be paid.
    recipient: address
    # Who pays and signs.
    sender: address
    # Wei paid if the ticket wins.
    faceValue: uint256
    # Chance to win is winProb / 2^256.
    winProb: uint256
    # Makes tickets with equal terms differ.
    senderNonce: uint256
    # keccak256 of the recipient's secret.
    recipientRandHash: bytes32
    # When and on which chain the ticket was made.
    auxData: Bytes[MAX_BYTES]


struct CompactTicket:
    # Makes tickets with equal terms differ.
    senderNonce: uint256
    # The recipient's secret; the commitment follows from it.
    recipientRand: uint256
    # The signature in the transport form of EIP-2098: r, and s with 1 in its highest bit if v is 28, else 0.
    r: bytes32
    vs: bytes32


@internal
@pure
def _hash(_ticket: Ticket) -> bytes32:
    """
    @dev keccak256 of the fields without padding, 232 bytes for a valid ticket (spec 11.1). Neither chain id nor
         contract address is part of it: the block hash in auxData is the only separation of domains (K24).
    """
    return keccak256(
        concat(
            convert(_ticket.recipient, bytes20),
            convert(_ticket.sender, bytes20),
            convert(_ticket.faceValue, bytes32),
            convert(_ticket.winProb, bytes32),
            convert(_ticket.senderNonce, bytes32),
            _ticket.recipientRandHash,
            _ticket.auxData,
        )
    )


@internal
@pure
def _hash_of(
    _recipient: address,
    _sender: address,
    _face_value: uint256,
    _win_prob: uint256,
    _sender_nonce: uint256,
    _recipient_rand_hash: bytes32,
    _creation_round: uint256,
    _block_hash: bytes32,
) -> bytes32:
    """
    @dev The same hash, of a ticket with auxData of the right length.
    """
    return keccak256(
        concat(
            convert(_recipient, bytes20),
            convert(_sender, bytes20),
            convert(_face_value, bytes32),
            convert(_win_prob, bytes32),
            convert(_sender_nonce, bytes32),
            _recipient_rand_hash,
            convert(_creation_round, bytes32),
            _block_hash,
        )
    )


@internal
@pure
def _oldest_round(_round: uint256, _validity: uint256) -> uint256:
    """
    @dev The oldest creation round of tickets that are not expired: creationRound + validity > round.
    @param _round Current round.
    @param _validity For how many rounds, the creation round included, a ticket may be redeemed.
    """
    next_round: uint256 = _round + 1
    return next_round - min(next_round, _validity)


@internal
@pure
def _draw_fault(
    _hash: bytes32, _sender: address, _win_prob: uint256, _r: bytes32, _s: uint256, _v: uint256, _recipient_rand: uint256
) -> uint256:
    """
    @dev Signature and draw (spec 11.5, steps 5 and 6). One ticket has one accepted signature per nonce of the signer,
         hence one draw: high-s forms are refused (R7). However the signature came, the draw is over its 65 bytes.
    """
    if _s > MAX_S:
        return SIGNATURE_HIGH_S
    # Neither 27 nor 28.
    if unsafe_sub(_v, 27) > 1:
        return SIGNATURE_INVALID
    signer: address = ecrecover(keccak256(concat(SIGNED_MESSAGE, _hash)), _v, convert(_r, uint256), _s)
    if signer != _sender:
        return SIGNATURE_INVALID if signer == empty(address) else OTHER_SIGNER
    draw: bytes32 = keccak256(
        concat(
            _r,
            convert(_s, bytes32),
            convert(convert(_v, uint8), bytes1),
            convert(_recipient_rand, bytes32),
        )
    )
    if convert(draw, uint256) >= _win_prob:
        return NOT_WON
    return OK


@internal
@pure
def _reason(_fault: uint256) -> String[66]:
    """
    @dev The published text of a fault (spec 11.5; the last one is K9).
    """
    if _fault == NULL_RECIPIENT:
        return "ticket recipient is null address"
    if _fault == NULL_SENDER:
        return "ticket sender is null address"
    if _fault == AUX_DATA_LENGTH:
        return "invalid length for ticket auxData: must be 64 bytes"
    if _fault == NO_BLOCK_HASH:
        return "ticket creationRound does not have a block hash"
    if _fault == WRONG_BLOCK_HASH:
        return "ticket creationRoundBlockHash invalid for creationRound"
    if _fault == EXPIRED:
        return "ticket is expired"
    if _fault == WRONG_RAND:
        return "recipientRand does not match recipientRandHash"
    if _fault == USED:
        return "ticket is used"
    if _fault == SIGNATURE_LENGTH:
        return "INVALID_SIGNATURE_LENGTH"
    if _fault == SIGNATURE_HIGH_S:
        return "ECDSA: invalid signature 's' value"
    if _fault == SIGNATURE_INVALID:
        return "ECDSA: invalid signature"
    if _fault == OTHER_SIGNER:
        return "invalid signature over ticket hash"
    if _fault == NOT_WON:
        return "ticket did not win"
    if _fault == SENDER_UNLOCKED:
        return "sender is unlocked"
    if _fault == NO_FUNDS:
        return "sender deposit and reserve are zero"
    return "sender deposit and reserve insufficient to cover ticket face value"
