"""How many blocks to ask logs of at a time, when nodes bound their answers each in its own way."""

from livepeer_client.errors import InvalidInput


def sub_ranges(first: int, last: int, size: int) -> list[tuple[int, int]]:
    """[first, last] in pieces of `size`, both ends included; none if it is empty.

    :raises InvalidInput: `size` below one.
    """
    if size < 1:
        raise InvalidInput(f"ranges of {size} blocks")
    return [(start, min(start + size - 1, last)) for start in range(first, last + 1, size)]


class LogSpan:
    """The present width of a range: halved whenever a node refuses one, and slowly wider again with each success."""

    def __init__(self, widest: int = 1000) -> None:
        if widest < 1:
            raise InvalidInput(f"ranges of {widest} blocks")
        self._widest = widest
        self._blocks = widest

    @property
    def blocks(self) -> int:
        return self._blocks

    def refused(self, blocks: int) -> bool:
        """A range of `blocks` was refused, for whatever reason. False if it cannot be made narrower."""
        if blocks <= 1:
            return False
        self._blocks = max(1, blocks // 2)
        return True

    def answered(self) -> None:
        # By a quarter: what was refused a moment ago is tried again after a few answers, not after each.
        self._blocks = min(self._widest, self._blocks + max(1, self._blocks // 4))
