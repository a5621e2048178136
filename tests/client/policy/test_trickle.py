"""A trickle channel beside a model of it that keeps everything that was ever written."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from livepeer_client.errors import InvalidInput
from livepeer_client.policy.trickle import CURRENT, NEXT, RING, Channel, Miss, Segment, TrickleRefused, Write

LIMIT = 12
APPLIED: Counter[str] = Counter()
FLOORS = {"append": 300, "finish": 80, "abandon": 8, "refuse": 50, "reset": 30, "end": 20, "read": 300, "close": 10}


@dataclass
class Told:
    """What the model knows of a segment."""

    data: bytes = b""
    closed: bool = False
    writers: set[int] = field(default_factory=set)


class ChannelBesideModel(RuleBasedStateMachine):
    """The model: every segment by number for ever; which five are visible follows from the order they were begun in."""

    writes: Any = Bundle("writes")

    def __init__(self) -> None:
        super().__init__()
        self.channel = Channel("video/MP2T", max_segment_bytes=LIMIT)
        self.told: dict[int, Told] = {}
        self.slots: dict[int, int] = {}
        self.head = 0
        self.closed = False
        self.ids = 0

    def visible(self, seq: int) -> Told | None:
        return self.told[seq] if self.slots.get(seq % RING) == seq else None

    def begin(self, seq: int, key: int) -> Told | None:
        """The segment a write reaches, None where the ring has left it behind."""
        if (told := self.visible(seq)) is None:
            if seq < self.head - RING or self.slots.get(seq % RING, -1) > seq:
                return None
            told = self.told[seq] = Told()
            self.slots[seq % RING] = seq
            self.head = max(self.head, seq + 1)
            for other in list(self.slots.values()):
                if other < seq and not self.told[other].writers:
                    self.told[other].closed = True
        told.writers.add(key)
        return told

    @rule(target=writes, back=st.integers(-3, 7) | st.just(None))
    def write(self, back: int | None) -> Any:
        seq = self.head if back is None else max(0, self.head - back)
        told = self.visible(seq)
        stale = told is None and (seq < self.head - RING or self.slots.get(seq % RING, -1) > seq)
        if self.closed or stale or (told is not None and told.closed):
            with pytest.raises(TrickleRefused) as refused:
                self.channel.write(NEXT if back is None else seq)
            assert refused.value.status == (404 if self.closed else 400)
            APPLIED["refuse"] += 1
            return multiple()
        write = self.channel.write(NEXT if back is None else seq)
        assert write.seq == seq
        self.ids += 1
        if told is not None:
            told.writers.add(self.ids)
            return (write, self.ids, told)
        return (write, self.ids, None)

    def reached(self, held: tuple[Write, int, Told | None]) -> Told | None:
        write, key, told = held
        return told if told is not None else (self.begin(write.seq, key) if write.segment is None else None)

    @rule(target=writes, held=consumes(writes), data=st.binary(min_size=1, max_size=8))
    def append(self, held: tuple[Write, int, Told | None], data: bytes) -> Any:
        write, key, _ = held
        if self.closed:
            with pytest.raises(TrickleRefused):
                self.channel.append(write, data)
            return multiple()
        told = self.reached(held)
        if told is None or told.closed or len(told.data) + len(data) > LIMIT or self.is_gone(told):
            with pytest.raises(TrickleRefused) as refused:
                self.channel.append(write, data)
            assert refused.value.status in (400, 413)
            if told is not None:
                told.closed = True
            APPLIED["refuse"] += 1
            return multiple()
        self.channel.append(write, data)
        told.data += data
        APPLIED["append"] += 1
        return (write, key, told)

    def is_gone(self, told: Told) -> bool:
        return all(self.visible(seq) is not told for seq in self.slots.values())

    @rule(held=consumes(writes))
    def finish(self, held: tuple[Write, int, Told | None]) -> None:
        write, key, _ = held
        if self.closed:
            self.channel.finish(write)
            return
        told = self.reached(held)
        if told is None:
            with pytest.raises(TrickleRefused):
                self.channel.finish(write)
            return
        self.channel.finish(write)
        told.closed = True
        told.writers.discard(key)
        APPLIED["finish"] += 1

    @precondition(lambda self: not self.closed)
    @rule(pieces=st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=3))
    def write_whole(self, pieces: list[bytes]) -> None:
        write = self.channel.write(NEXT)
        told = self.begin(write.seq, 0)
        assert told is not None
        for data in pieces:
            self.channel.append(write, data)
            told.data += data
            APPLIED["append"] += 1
        self.channel.finish(write)
        told.closed = True
        told.writers.discard(0)

    @rule(held=consumes(writes))
    def abandon(self, held: tuple[Write, int, Told | None]) -> None:
        write, key, told = held
        self.channel.abandon(write)
        if told is not None:
            told.writers.discard(key)
            APPLIED["abandon"] += 1

    @precondition(lambda self: self.head >= 3)
    @rule(back=st.integers(-1, 6))
    def reset(self, back: int) -> None:
        seq = max(0, self.head - back)
        self.channel.reset(seq)
        for other in self.slots.values():
            if other < seq:
                self.told[other].closed = True
        APPLIED["reset"] += 1

    @rule(back=st.integers(-1, 6))
    def end_segment(self, back: int) -> None:
        seq = max(0, self.head - back)
        if (told := self.visible(seq)) is None:
            with pytest.raises(TrickleRefused):
                self.channel.end_segment(seq)
        else:
            self.channel.end_segment(seq)
            told.closed = True
            APPLIED["end"] += 1

    @precondition(lambda self: self.head >= 8)
    @rule()
    def close(self) -> None:
        self.channel.close()
        self.closed = True
        for seq in self.slots.values():
            self.told[seq].closed = True
        APPLIED["close"] += 1

    @rule(back=st.integers(-3, 8))
    def look(self, back: int) -> None:
        seq = max(0, self.head - back)
        found = self.channel.look(seq)
        told = self.visible(seq)
        if told is not None:
            assert isinstance(found, Segment)
            assert (bytes(found.data), found.closed) == (told.data, told.closed)
            APPLIED["read"] += 1
        elif self.closed:
            assert found is Miss.TERMINATED
        else:
            waits = seq == self.head or (self.head == 0 and seq == 1)
            assert found is (Miss.WAIT if waits else Miss.ABSENT)

    @invariant()
    def indices_and_size_agree(self) -> None:
        assert self.channel.next_seq == self.head
        assert self.channel.read_seq(NEXT) == self.head
        assert self.channel.read_seq(CURRENT) == max(self.head - 1, 0)
        assert self.channel.size == sum(len(self.told[seq].data) for seq in self.slots.values()) <= RING * LIMIT


def test_channel__random_requests__agrees_with_its_model() -> None:
    APPLIED.clear()
    run_state_machine_as_test(ChannelBesideModel, settings=settings(max_examples=250, stateful_step_count=40))
    assert {name for name, floor in FLOORS.items() if APPLIED[name] < floor} == set(), APPLIED


def test_read_seq__below_minus_two__is_refused() -> None:
    with pytest.raises(TrickleRefused) as refused:
        Channel("a").read_seq(-3)
    assert (refused.value.status, refused.value.reason) == (400, "Invalid idx")


def test_append__segment_that_lost_its_slot__frees_its_bytes_and_tells_readers() -> None:
    channel = Channel("a")
    write = channel.write(NEXT)
    channel.append(write, b"x" * 1000)
    segment = channel.look(0)
    assert isinstance(segment, Segment)
    for _ in range(RING):
        other = channel.write(NEXT)
        channel.append(other, b"y")
    assert segment.dropped
    assert channel.size == RING


def test_clear__channel_of_a_slow_reader__drops_what_it_reads() -> None:
    channel = Channel("a")
    channel.append(channel.write(NEXT), b"x")
    segment = channel.look(0)
    channel.clear()
    assert isinstance(segment, Segment)
    assert (segment.dropped, channel.size) == (True, 0)


def test_channel__no_room_for_a_byte__is_invalid() -> None:
    with pytest.raises(InvalidInput):
        Channel("a", max_segment_bytes=0)
