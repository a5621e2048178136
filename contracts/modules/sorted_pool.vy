# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Weights of accounts, and a list of some of them sorted by weight
@license MIT
@notice Every account has a weight. Members of the list are linked from the largest weight (head) to the smallest one
        (tail).
@dev Semantics of spec 9. The key of a member is its weight, so a change of stake that keeps the order is one write.
     Two words per account:

         _down   weight (96 bits) | next member (160 bits)
         _up     1 (1 bit, set for members) | previous member (160 bits)

     A walk reads one word per hop. A non-member has no next, therefore it can never be half of a valid position.
"""


# More members than gas could walk through.
MAX_SIZE: constant(uint256) = 2**16 - 1
MAX_WEIGHT: constant(uint256) = 2**96 - 1

ADDRESS_BITS: constant(uint256) = 160
ADDRESS_MASK: constant(uint256) = 2**160 - 1
MEMBER: constant(uint256) = 2**160
SIZE_UNIT: constant(uint256) = 2**160
MAX_SIZE_BITS: constant(uint256) = 176


# weight | next, per account.
_down: HashMap[address, uint256]
# member flag | previous, per account.
_up: HashMap[address, uint256]
# max size (16 bits) | size (16) | head (160).
_top: uint256
_tail: address


@internal
@view
def _weight(_id: address) -> uint256:
    """
    @dev Weight of an account, member or not.
    """
    return self._down[_id] >> ADDRESS_BITS


@internal
@view
def _is_member(_id: address) -> bool:
    return self._up[_id] != 0


@internal
@view
def _first() -> address:
    return self._address(self._top)


@internal
@view
def _last() -> address:
    return self._tail


@internal
@view
def _next(_id: address) -> address:
    """
    @dev The member below, zero at the tail and for non-members.
    """
    return self._address(self._down[_id])


@internal
@view
def _size() -> uint256:
    return (self._top >> ADDRESS_BITS) & MAX_SIZE


@internal
@view
def _max_size() -> uint256:
    return self._top >> MAX_SIZE_BITS


@internal
@view
def _is_full() -> bool:
    top: uint256 = self._top
    return (top >> ADDRESS_BITS) & MAX_SIZE == top >> MAX_SIZE_BITS


@internal
def _set_max_size(_max: uint256):
    """
    @dev The list can only grow: shrinking would need a rule for whom to evict.
    """
    top: uint256 = self._top
    assert _max > top >> MAX_SIZE_BITS, "new max size must be greater than old max size"
    assert _max <= MAX_SIZE, "new max size exceeds 16 bits"
    self._top = (_max << MAX_SIZE_BITS) | (top & (2**176 - 1))


@internal
def _insert(_id: address, _prev: address, _next: address):
    """
    @dev Add an account under the weight that it has. The caller makes sure that the list is not full.
    @param _id The new member; zero, which means "none" in a link, is refused.
    @param _prev Hint: the member that will stand above, or zero.
    @param _next Hint: the member that will stand below, or zero.
    """
    assert _id != empty(address), "node id is null"
    # Both callers ask for non-members only.
    assert self._up[_id] == 0
    self._top += SIZE_UNIT
    self._link(_id, self._down[_id] >> ADDRESS_BITS, _prev, _next)


@internal
def _remove(_id: address):
    """
    @dev Take a member out of the list. It keeps its weight.
    """
    assert self._up[_id] != 0, "node not in list"
    self._unlink(_id)
    self._top -= SIZE_UNIT
    self._down[_id] = (self._down[_id] >> ADDRESS_BITS) << ADDRESS_BITS
    self._up[_id] = 0


@internal
def _set_weight(_id: address, _new_weight: uint256, _prev: address, _next: address) -> bool:
    """
    @dev Change the weight of an account, and its place if it is a member and the order demands it. Returns whether it
         is a member.
         If the new weight lies strictly between the neighbours', the present place is the only valid one, so that hints
         do not matter. The neighbour on the far side of the change needs no look: it is already on the right side.
    @param _id The account.
    @param _new_weight Weight, which a member cannot lose altogether.
    @param _prev Hint: the member that will stand above, or zero.
    @param _next Hint: the member that will stand below, or zero.
    """
    assert _new_weight <= MAX_WEIGHT, "stake exceeds 96 bits"
    down: uint256 = self._down[_id]
    up: uint256 = self._up[_id]
    is_member: bool = up != 0
    stays: bool = not is_member
    old_weight: uint256 = down >> ADDRESS_BITS
    if is_member and _new_weight > old_weight:
        above: address = self._address(up)
        stays = above == empty(address) or self._down[above] >> ADDRESS_BITS > _new_weight
    elif is_member and _new_weight < old_weight:
        below: address = self._address(down)
        stays = below == empty(address) or self._down[below] >> ADDRESS_BITS < _new_weight

    if stays:
        self._down[_id] = (_new_weight << ADDRESS_BITS) | (down & ADDRESS_MASK)
    else:
        self._unlink(_id)
        # Hints are judged as if the member were gone, so a hint that names the member itself must find nothing.
        self._down[_id] = 0
        self._up[_id] = 0
        self._link(_id, _new_weight, _prev, _next)
    return is_member


@internal
def _link(_id: address, _new_weight: uint256, _prev_hint: address, _next_hint: address):
    assert _new_weight > 0, "key is zero"
    above: address = empty(address)
    below: address = empty(address)
    above, below = self._find_position(_new_weight, _prev_hint, _next_hint)

    self._down[_id] = (_new_weight << ADDRESS_BITS) | convert(below, uint256)
    self._up[_id] = MEMBER | convert(above, uint256)
    self._join(above, _id)
    self._join_up(below, _id)


@internal
def _unlink(_id: address):
    above: address = self._address(self._up[_id])
    below: address = self._address(self._down[_id])
    self._join(above, below)
    self._join_up(below, above)


@internal
def _join(_above: address, _below: address):
    """
    @dev Let `_below` follow `_above`; below nothing is the head.
    """
    if _above == empty(address):
        self._top = (self._top & ~ADDRESS_MASK) | convert(_below, uint256)
    else:
        self._down[_above] = (self._down[_above] & ~ADDRESS_MASK) | convert(_below, uint256)


@internal
def _join_up(_below: address, _above: address):
    """
    @dev Let `_above` precede `_below`; above nothing is the tail.
    """
    if _below == empty(address):
        self._tail = _above
    else:
        self._up[_below] = MEMBER | convert(_above, uint256)


@internal
@view
def _find_position(_key: uint256, _prev: address, _next: address) -> (address, address):
    """
    @dev Where a key belongs. A valid hint is taken as it is; of a bad one the usable half tells where to start the
         walk.
    """
    if self._is_valid_position(_key, _prev, _next):
        return _prev, _next

    if self._up[_prev] != 0 and _key <= self._down[_prev] >> ADDRESS_BITS:
        return self._walk_down(_key, _prev)
    if self._up[_next] != 0 and _key >= self._down[_next] >> ADDRESS_BITS:
        return self._walk_up(_key, _next)
    return self._walk_down(_key, self._first())


@internal
@view
def _is_valid_position(_key: uint256, _prev: address, _next: address) -> bool:
    if _prev == empty(address):
        # Both null is the position in an empty list, whose head is null.
        if _next != self._first():
            return False
        return _next == empty(address) or _key >= self._down[_next] >> ADDRESS_BITS
    down: uint256 = self._down[_prev]
    if _key > down >> ADDRESS_BITS:
        return False
    if _next == empty(address):
        return _prev == self._tail
    return self._address(down) == _next and _key >= self._down[_next] >> ADDRESS_BITS


@internal
@view
def _walk_down(_key: uint256, _start: address) -> (address, address):
    """
    @dev From a member that stands above the key, or from the head.
    """
    if _start == empty(address):
        return empty(address), empty(address)
    down: uint256 = self._down[_start]
    if _key >= down >> ADDRESS_BITS and _start == self._first():
        return empty(address), _start
    # Most newcomers belong at the end: no need to walk there.
    last: address = self._tail
    if _key < self._down[last] >> ADDRESS_BITS:
        return last, empty(address)

    above: address = _start
    below: address = self._address(down)
    for _: uint256 in range(MAX_SIZE):
        if below == empty(address):
            break
        down = self._down[below]
        if _key >= down >> ADDRESS_BITS:
            break
        above = below
        below = self._address(down)
    return above, below


@internal
@view
def _walk_up(_key: uint256, _start: address) -> (address, address):
    """
    @dev From a member that stands below the key.
    """
    if _start == self._tail and _key <= self._down[_start] >> ADDRESS_BITS:
        return _start, empty(address)

    below: address = _start
    above: address = self._address(self._up[_start])
    for _: uint256 in range(MAX_SIZE):
        if above == empty(address) or self._down[above] >> ADDRESS_BITS >= _key:
            break
        below = above
        above = self._address(self._up[below])
    return above, below


@internal
@pure
def _address(_word: uint256) -> address:
    return convert(_word & ADDRESS_MASK, address)
