"""`[live_runners]` of an orchestrator's file."""

from pathlib import Path

import pytest

from livepeer_client.config import load_orchestrator
from livepeer_client.config.live_runners import LiveRunnersConfig
from livepeer_client.config.sources import gather
from livepeer_client.errors import ConfigError
from tests.client.test_config_pipelines import ORCHESTRATOR, write


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", None),
        ("[live_runners]", None),
        ('secret_file = "s"', LiveRunnersConfig(Path("s"))),
        ('file = "r.json"\nlease_s = 60', LiveRunnersConfig(None, Path("r.json"), 60.0)),
        (
            'secret_file = "s"\nfile = "r.json"\nproxy_ports = [9001, 9002]',
            LiveRunnersConfig(Path("s"), Path("r.json"), proxy_ports=frozenset({9001, 9002})),
        ),
    ],
)
def test_load_orchestrator__live_runners__are_there_with_a_secret_or_a_file(
    tmp_path: Path, table: str, expected: LiveRunnersConfig | None
) -> None:
    text = ORCHESTRATOR + (table if table.startswith("[") or not table else f"[live_runners]\n{table}\n")
    found = load_orchestrator(write(tmp_path, text)).live_runners
    if expected is not None:
        here = [None if path is None else tmp_path / path for path in (expected.secret_file, expected.file)]
        expected = LiveRunnersConfig(*here, expected.lease_s, expected.proxy_ports)
    assert found == expected


def test_load_orchestrator__ports_of_a_flag__are_numbers_with_commas(tmp_path: Path) -> None:
    file = write(tmp_path, ORCHESTRATOR + '[live_runners]\nfile = "r.json"\n')
    sources = gather({}, ["live_runners.proxy_ports=9001,9002"])
    found = load_orchestrator(file, sources).live_runners
    assert found is not None
    assert found.proxy_ports == {9001, 9002}


@pytest.mark.parametrize("ports", ["9001", "[0]", "[65536]", '["9001"]', "[true]"])
def test_load_orchestrator__ports_that_are_none__are_refused(tmp_path: Path, ports: str) -> None:
    file = write(tmp_path, ORCHESTRATOR + f'[live_runners]\nfile = "r.json"\nproxy_ports = {ports}\n')
    with pytest.raises(ConfigError, match="proxy_ports"):
        load_orchestrator(file)
