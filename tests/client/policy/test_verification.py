"""When two fingerprints are of one picture."""

import pytest

from livepeer_client.policy.verification import MAX_BLOCK_DIFFERENCE, MAX_MEAN_DIFFERENCE, alike

GREY = bytes([100]) * 256


def test_alike__same_or_a_few_steps_apart__is() -> None:
    assert alike([GREY], [GREY])
    assert alike([GREY, GREY], [GREY, bytes([100 + MAX_MEAN_DIFFERENCE]) * 256])


def test_alike__one_step_more_everywhere__is_not() -> None:
    assert not alike([GREY], [bytes([101 + MAX_MEAN_DIFFERENCE]) * 256])


def test_alike__one_place_far_off__is_not() -> None:
    assert alike([GREY], [bytes([100 + MAX_BLOCK_DIFFERENCE]) + GREY[1:]])
    assert not alike([GREY], [bytes([101 + MAX_BLOCK_DIFFERENCE]) + GREY[1:]])


def test_alike__one_frame_of_several__decides() -> None:
    assert not alike([GREY, GREY, GREY], [GREY, bytes(256), GREY])


@pytest.mark.parametrize(("mine", "theirs"), [([], []), ([GREY], [GREY, GREY]), ([GREY], [GREY[1:]]), ([b""], [b""])])
def test_alike__nothing_to_compare__is_not(mine: list[bytes], theirs: list[bytes]) -> None:
    assert not alike(mine, theirs)
