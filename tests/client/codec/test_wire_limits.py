"""Hardware and stores on the wire, and how much of anything a message may hold."""

import pytest

from livepeer_client.codec import wire
from livepeer_client.codec.messages import (
    Capabilities,
    Gpu,
    Hardware,
    ModelConstraint,
    ObjectStore,
    OrchestratorInfo,
    PriceInfo,
    S3Policy,
    StorageType,
)
from livepeer_client.codec.wire_parts import (
    MAX_CAPACITIES,
    MAX_HARDWARE,
    MAX_MODELS,
    MAX_NODES,
    MAX_PRICES,
    MAX_STORES,
)
from livepeer_client.errors import MalformedMessage


def _bare(**fields: object) -> OrchestratorInfo:
    return OrchestratorInfo("", None, None, b"", None, None, **fields)  # type: ignore[arg-type]


def test_orchestrator_info__hardware_and_stores__come_back_as_they_were() -> None:
    info = _bare(
        hardware=(Hardware("live-video-to-video", "noop", {"0": Gpu("GPU-1", "L4", 8, 9, 20 << 30, 24 << 30)}),),
        storage=(
            ObjectStore(StorageType.S3, S3Policy("https://s3.example", "m1/s1", "policy", "sig", "cred", "20261125")),
            ObjectStore(StorageType.DIRECT),
        ),
        nodes=("https://a.example:8935",),
    )
    assert wire.decode_orchestrator_info(wire.encode_orchestrator_info(info)) == info


def test_s3_policy__shown__keeps_what_lets_others_write_to_itself() -> None:
    shown = repr(S3Policy("https://s3.example", "m1", "the policy", "the signature", "the credential"))
    assert "the " not in shown


@pytest.mark.parametrize(
    "info",
    [
        _bare(nodes=("x",) * (MAX_NODES + 1)),
        _bare(capabilities_prices=(PriceInfo(1, 1),) * (MAX_PRICES + 1)),
        _bare(hardware=(Hardware("p", "m"),) * (MAX_HARDWARE + 1)),
        _bare(storage=(ObjectStore(StorageType.DIRECT),) * (MAX_STORES + 1)),
    ],
    ids=["nodes", "prices", "hardware", "stores"],
)
def test_decode_orchestrator_info__more_entries_than_anybody_has__is_refused(info: OrchestratorInfo) -> None:
    with pytest.raises(MalformedMessage, match="at most"):
        wire.decode_orchestrator_info(wire.encode_orchestrator_info(info))


@pytest.mark.parametrize(
    "capabilities",
    [
        Capabilities(capacities=dict.fromkeys(range(MAX_CAPACITIES + 1), 1)),
        Capabilities(constraints={35: dict.fromkeys(map(str, range(MAX_MODELS)), ModelConstraint())}),
        Capabilities(constraints={number: {} for number in range(MAX_MODELS + 1)}),
    ],
    ids=["capacities", "models", "empty constraints"],
)
def test_decode_capabilities__more_entries_than_anybody_has__is_refused(capabilities: Capabilities) -> None:
    with pytest.raises(MalformedMessage, match="at most"):
        wire.decode_capabilities(wire.encode_capabilities(capabilities))
