import ape
import pytest
from ape.contracts import ContractInstance

LONGEST = "x" * 1024


@pytest.fixture(scope="module")
def registry(project, owner, controller) -> ContractInstance:
    return owner.deploy(project.ServiceRegistry, controller)


@pytest.mark.parametrize("uri", ["https://node.example:8935", "", LONGEST])
def test_set_service_uri__by_anyone__publishes(registry, transcoder, uri):
    receipt = registry.setServiceURI(uri, sender=transcoder)

    assert registry.getServiceURI(transcoder) == uri
    assert receipt.events == [registry.ServiceURIUpdate(addr=transcoder, serviceURI=uri)]


def test_set_service_uri__again__replaces_only_the_callers(registry, transcoder, other_transcoder):
    registry.setServiceURI("https://a.example", sender=transcoder)
    registry.setServiceURI("https://b.example", sender=other_transcoder)
    registry.setServiceURI("https://c.example", sender=transcoder)

    assert registry.getServiceURI(transcoder) == "https://c.example"
    assert registry.getServiceURI(other_transcoder) == "https://b.example"


def test_set_service_uri__while_paused__publishes(registry, controller, owner, transcoder):
    controller.pause(sender=owner)
    registry.setServiceURI("https://a.example", sender=transcoder)

    assert registry.getServiceURI(transcoder) == "https://a.example"


def test_set_service_uri__over_the_bound__reverts(registry, transcoder):
    with ape.reverts():
        registry.setServiceURI(LONGEST + "x", sender=transcoder, gas=5_000_000)


def test_get_service_uri__of_unknown_account__is_empty(registry, stranger):
    assert registry.getServiceURI(stranger) == ""


def test_set_controller__by_other_than_controller__reverts(registry, owner):
    with ape.reverts("caller must be Controller"):
        registry.setController(owner, sender=owner)
