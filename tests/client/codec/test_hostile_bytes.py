"""What peers may send in place of a message: readers give a value or one of the library's errors, nothing else."""

import random
import time
from collections.abc import Callable

import pytest

from livepeer_client.codec import bounded_json, live_api, live_job, signer_api, trickle, wire
from livepeer_client.errors import MalformedMessage
from scripts._fuzz_network import Reader, broken, finding, readers

DEEP = b"[" * 100_000
READERS = readers()


@pytest.mark.parametrize("name", READERS)
def test_readers__broken_input__raise_only_the_librarys_errors(name: str) -> None:
    random_, reader = random.Random(name), READERS[name]
    inputs = [broken(random_, random_.choice(reader.seeds)) for _ in range(1_000)]
    assert [(data, wrong) for data in inputs if (wrong := finding(reader, data)) is not None] == []


@pytest.mark.parametrize("name", READERS)
def test_readers__what_fuzzing_starts_from__differs_from_what_it_makes(name: str) -> None:
    random_, reader = random.Random(1), READERS[name]
    made = {broken(random_, reader.seeds[0]) for _ in range(50)}
    assert len(made - set(reader.seeds)) > 10


def test_finding__an_error_of_another_kind_and_a_value_that_changes__are_seen() -> None:
    assert finding(Reader(lambda data: 1 // len(data), ()), b"") is not None
    assert finding(Reader(lambda data: data, (), lambda value: value + b"x"), b"") is not None


@pytest.mark.parametrize(
    "read", [live_api.decode_challenge, live_api.decode_refresh, live_job.decode_request, trickle.decode_events]
)
def test_json__nested_beyond_all_bounds__is_malformed(read: Callable[[bytes], object]) -> None:
    with pytest.raises(MalformedMessage):
        read(DEEP[:60_000])


def test_decode_error__nested_beyond_all_bounds__is_no_error_of_ours() -> None:
    assert isinstance(signer_api.decode_error(DEEP), str)


@pytest.mark.parametrize("text", ["", "-3", "+1", "1_0", " 1", "0x1", "٣", "1" * 17, "--1"])
def test_parse_seq__not_an_index__is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        trickle.parse_seq(text)


def test_bounded_json__string_without_an_end_full_of_quotes__is_read_in_one_pass() -> None:
    # Quotes of a string that never ends, each tried as the start of another, took 24 s of a 60 kB body.
    data = b"[]" * 70 + b'"' + b'\\"' * 60_000
    started = time.process_time()
    with pytest.raises(ValueError, match=r"."):
        bounded_json.loads(data)
    assert time.process_time() - started < 5


def test_decode_payment__expiration_params_without_tickets__reads_the_same_when_written_again() -> None:
    payment = wire.decode_payment(b"\x1a\x00")
    assert payment.expiration is None
    assert wire.decode_payment(wire.encode_payment(payment)) == payment
