"""The board that workers join and leave, and what is advertised meanwhile."""

from livepeer_client.codec.capability import Capability, mismatch
from livepeer_client.codec.messages import Capabilities, Gpu, Hardware, ModelConstraint
from livepeer_client.policy.pipelines import pipeline_job
from livepeer_client.services.advertise import AdvertiseService, Offer
from livepeer_client.services.capacity import CapacityBoard
from tests.support.shop import SERVICE_URI, TOKEN_KEY, Shop, login

IMAGE = int(Capability.TEXT_TO_IMAGE)
OWN = Capabilities(frozenset({12}), capacities={12: 1}, version="0.1.0")
WORKER = Capabilities(
    frozenset({IMAGE}), capacities={IMAGE: 2}, constraints={IMAGE: {"flux": ModelConstraint(True, 2, "0.3.0")}}
)
GPU = Hardware("text-to-image", "flux", {"0": Gpu("GPU-1", "L4")})


def advertise(shop: Shop, board: CapacityBoard) -> AdvertiseService:
    return AdvertiseService(
        offer=Offer(SERVICE_URI, board.capabilities, nodes=("https://b.example:8935",)),
        signer=shop.signer,
        payments=shop.payments,
        token_key=TOKEN_KEY,
        clock=shop.clock,
        board=board,
    )


async def test_get_orchestrator__workers_come_and_go__advertises_what_is_there() -> None:
    board = CapacityBoard(OWN)
    service = advertise(Shop(), board)
    job = pipeline_job(IMAGE, "flux", warm=True)

    board.join("w1", WORKER, [GPU])
    board.join("w2", WORKER)
    info = await service.get_orchestrator(login())
    assert info.capabilities is not None
    assert info.capabilities.capacities == {12: 1, IMAGE: 4}
    assert (info.hardware, info.nodes) == ((GPU,), ("https://b.example:8935",))
    assert mismatch(job, info.capabilities) is None

    board.leave("w1")
    board.leave("w2")
    board.leave("w2")
    info = await service.get_orchestrator(login())
    assert info.capabilities == OWN
    assert info.hardware == ()
    assert str(mismatch(job, info.capabilities)) == "missing capability: Text to image (27)"


def test_join__same_worker_again__replaces_what_it_brought() -> None:
    board = CapacityBoard(OWN)
    board.join("w1", WORKER)
    board.join("w1", WORKER)
    assert board.capabilities.capacities[IMAGE] == 2


def test_take__as_many_as_there_are__then_no_more_until_one_is_given_back() -> None:
    board = CapacityBoard(OWN)
    assert not board.take(IMAGE, "flux")
    board.join("w1", WORKER)
    assert [board.take(IMAGE, "flux") for _ in range(3)] == [True, True, False]
    assert board.is_capped(pipeline_job(IMAGE, "flux"))
    assert board.capabilities.constraints[IMAGE]["flux"].capacity_in_use == 2
    board.give_back(IMAGE, "flux")
    assert not board.is_capped(pipeline_job(IMAGE, "flux"))
    assert board.take(IMAGE, "flux")


def test_take__more_in_use_than_is_left_after_a_worker_went__refuses_and_stays_above_zero() -> None:
    board = CapacityBoard(OWN)
    board.join("w1", WORKER)
    board.join("w2", WORKER)
    for _ in range(3):
        assert board.take(IMAGE, "flux")
    board.leave("w2")
    assert not board.take(IMAGE, "flux")
    assert board.capabilities.constraints[IMAGE]["flux"].capacity == 0
