"""Where a live runner's proxies may lead."""

import pytest

from livepeer_client.errors import InvalidInput
from livepeer_client.policy.runner_targets import Target, is_elsewhere, target_of

SERVICE = "https://orch.example:8935"
RUNNER = "http://runner.example:9000/base"


@pytest.mark.parametrize(
    ("runner", "asked", "target"),
    [
        (RUNNER, "", Target(RUNNER)),
        (RUNNER, "http://runner.example:9000/ui", Target("http://runner.example:9000/ui")),
        (RUNNER, "http://RUNNER.example.:9000/ui?a=1", Target("http://RUNNER.example.:9000/ui?a=1")),
        (RUNNER, "https://runner.example:9443", Target("https://runner.example:9443", outside=True)),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/x", Target("http://127.0.0.1:9000/x")),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9001/x", Target("http://127.0.0.1:9001/x")),
        ("http://10.0.0.7:9000", "http://10.0.0.7:9002/", Target("http://10.0.0.7:9002/", outside=True)),
    ],
)
def test_target_of__on_the_runners_host__is_where_it_leads(runner: str, asked: str, target: Target) -> None:
    assert target_of(runner, asked, SERVICE, frozenset({9001})) == target


@pytest.mark.parametrize(
    "asked",
    [
        "http://other.example:9000/",
        "http://runner.example.evil:9000/",
        "http://runner.example@evil:9000/",
        "http://evil@runner.example:9000/",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:9000/",
        "file:///etc/passwd",
        "gopher://runner.example:9000/",
        "//runner.example/x",
        "/x",
        "runner.example:9000",
        "http://runner.example:9000/#x",
        "http://runner.example:9000\\@evil/",
        "http://runner.example:9000/a b",
        "http://runner.exam\tple:9000/",
        "http://runner.example:9000/\r\nHost: evil",
        "http://runner.example:99999/",
        "http://runner.example:9000/a/../../b",
        "http://runner.example:9000/%2e%2e/b",
        "http://runner。example:9000/",
        "http://",
    ],
)
def test_target_of__anywhere_else__is_refused(asked: str) -> None:
    with pytest.raises(InvalidInput, match="target_url must"):
        target_of(RUNNER, asked, SERVICE)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "app.localhost", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0.0.0.0"]
)
def test_target_of__other_port_of_this_machine__needs_the_operators_leave(host: str) -> None:
    runner, asked = f"http://{host}:9000", f"http://{host}:7935/status"
    with pytest.raises(InvalidInput, match="port 7935 of this machine is not open to proxies"):
        target_of(runner, asked, SERVICE)
    assert target_of(runner, asked, SERVICE, frozenset({7935})) == Target(asked)
    assert target_of(runner, f"{runner}/x", SERVICE) == Target(f"{runner}/x")


def test_target_of__orchestrator_itself__is_refused() -> None:
    with pytest.raises(InvalidInput, match="must not lead back"):
        target_of("http://orch.example:80", f"{SERVICE}/run/1", SERVICE)


@pytest.mark.parametrize(
    ("target", "path", "query", "url"),
    [
        ("http://h/ui", None, "", "http://h/ui"),
        ("http://h/ui", "", "", "http://h/ui/"),
        ("http://h/ui/", "a%20b", "q=1", "http://h/ui/a%20b?q=1"),
        ("http://h/ui?k=v", "a", "q=1", "http://h/ui/a?k=v&q=1"),
        ("http://h", "x", "", "http://h/x"),
    ],
)
def test_at__path_and_query__are_added_to_the_targets_own(target: str, path: str | None, query: str, url: str) -> None:
    assert Target(target).at(path, query) == url


@pytest.mark.parametrize(
    ("address", "elsewhere"),
    [
        ("8.8.8.8", True),
        ("10.0.0.1", True),
        ("2001:db8::1", True),
        ("127.9.9.9", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("::ffff:127.0.0.1", False),
        ("::127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_is_elsewhere__addresses__are_judged_by_where_they_lead(address: str, elsewhere: bool) -> None:
    assert is_elsewhere(address) is elsewhere
