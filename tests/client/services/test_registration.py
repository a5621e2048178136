"""An orchestrator that nobody can find says so: at the start, in its log and in its status."""

import asyncio
import contextlib
import logging
from dataclasses import replace

import pytest

from livepeer_client.adapters.fakes import FakeChain, ManualClock
from livepeer_client.errors import ChainUnavailable
from livepeer_client.facts import OrchestratorState
from livepeer_client.policy.registration import Obstacle, registration_troubles
from livepeer_client.services.registration import RegistrationWatch
from livepeer_client.types import Address
from tests.support.redemption import ACTIVE

ME = Address(b"\x01" * 20)
OWN = "https://own.example:8935"
LOGGER = "livepeer_client.services.registration"


def obstacles(state: OrchestratorState, published: str = OWN) -> list[Obstacle]:
    return [trouble.obstacle for trouble in registration_troubles(state, published, OWN)]


def test_registration_troubles__of_each_kind__are_told_with_figures_and_the_command() -> None:
    unknown = replace(ACTIVE, active=False, registered=False, stake=0)
    assert obstacles(ACTIVE) == []
    assert obstacles(ACTIVE, OWN + "/") == []
    assert obstacles(unknown, "") == [Obstacle.NOT_REGISTERED, Obstacle.NO_URI]
    assert obstacles(replace(ACTIVE, active=False)) == [Obstacle.NOT_ACTIVE]
    (other,) = registration_troubles(ACTIVE, "https://old.example:1", OWN)
    assert str(other) == (
        "it has published another service URI (published https://old.example:1, in the settings "
        f"{OWN}): livepeer-client set-uri {OWN}"
    )


class Scene:
    def __init__(self) -> None:
        self.chain, self.clock = FakeChain(first_round=100), ManualClock()
        self.watch = RegistrationWatch(self.chain, ME, OWN, self.clock, poll_interval_s=60)

    def set_up(self) -> None:
        self.chain.states[ME] = ACTIVE
        self.chain.uris[ME] = OWN


async def test_step__not_registered__warns_once_until_it_is_mended(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    scene = Scene()
    for _ in range(2):
        await scene.watch.step()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "livepeer-client bond" in caplog.text
    assert f"livepeer-client set-uri {OWN}" in caplog.text
    assert len(scene.watch.troubles) == 2

    scene.set_up()
    await scene.watch.step()

    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]
    assert scene.watch.troubles == ()


async def test_step__another_uri_later__warns_again(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.set_up()
    await scene.watch.step()
    assert caplog.records == []
    scene.chain.uris[ME] = "https://taken-over.example:1"
    await scene.watch.step()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_run__while_the_chain_does_not_answer__goes_on_and_looks_again() -> None:
    scene = Scene()
    scene.chain.failure = ChainUnavailable("away")
    running = asyncio.create_task(scene.watch.run())
    await scene.clock.advance(60)
    scene.chain.failure = None
    await scene.clock.advance(60)
    assert [trouble.obstacle for trouble in scene.watch.troubles] == [Obstacle.NOT_REGISTERED, Obstacle.NO_URI]
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
