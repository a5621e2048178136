"""What a node can do in all, and how it shrinks (offchain-network 2.2)."""

from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec.capability import Capability, MismatchKind, mismatch
from livepeer_client.codec.messages import Capabilities, ModelConstraint
from livepeer_client.policy.capacities import exhausted, in_use, total
from livepeer_client.policy.pipelines import pipeline_job

LIVE = int(Capability.LIVE_VIDEO_TO_VIDEO)
OWN = Capabilities(frozenset({0, 12}), capacities={0: 1, 12: 1})
WORKER = Capabilities(
    frozenset({0, 15}), capacities={0: 3, 15: 2}, constraints={15: {"m": ModelConstraint(True, 2, "1.2.0")}}
)

counts = st.dictionaries(st.integers(0, 40), st.integers(0, 5), max_size=6)
parts = st.builds(lambda held: Capabilities(frozenset(held), capacities=held), counts)


def test_total__of_two__adds_capacities_and_unites_bits() -> None:
    both = total((OWN, WORKER), version="0.9")
    assert both.bits == {0, 12, 15}
    assert both.capacities == {0: 4, 12: 1, 15: 2}
    assert both.version == "0.9"


def test_total__without_stated_capacities__counts_one_of_each_bit() -> None:
    assert total((Capabilities(frozenset({0, 1})), OWN)).capacities == {0: 2, 1: 1, 12: 1}


def test_total__same_model_twice__is_warm_if_anywhere_and_as_old_as_the_oldest() -> None:
    cold = Capabilities(
        frozenset({15}), capacities={15: 1}, constraints={15: {"m": ModelConstraint(False, 1, "1.10.0", 1)}}
    )
    assert total((WORKER, cold)).constraints == {15: {"m": ModelConstraint(True, 3, "1.2.0", 1)}}


@given(st.lists(parts, max_size=4), parts)
def test_total__after_a_part_has_left__is_as_if_it_had_never_been(
    others: list[Capabilities], left: Capabilities
) -> None:
    joined = total((*others, left))
    assert joined.bits == {number for number, count in joined.capacities.items() if count > 0}
    assert total(others).bits == {n for n, count in joined.capacities.items() if count > left.capacities.get(n, 0)}


def test_in_use__jobs_under_way__leave_less_idle_and_are_told() -> None:
    busy = in_use(WORKER, {(15, "m"): 2})
    assert busy.constraints[15]["m"] == ModelConstraint(True, 0, "1.2.0", 2)
    assert busy.bits == WORKER.bits


def test_exhausted__last_job_taken__names_capability_and_model() -> None:
    offered = in_use(
        Capabilities(frozenset({LIVE}), constraints={LIVE: {"noop": ModelConstraint(capacity=1)}}), {(LIVE, "noop"): 1}
    )
    found = exhausted(offered, pipeline_job(LIVE, "noop"))
    assert found is not None
    assert (found.kind, found.capability, found.model) == (MismatchKind.CAPACITY, LIVE, "noop")
    assert exhausted(offered, pipeline_job(LIVE, "noop"), only=27) is None
    assert mismatch(pipeline_job(LIVE, "noop"), offered) is None
