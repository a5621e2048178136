"""Settings files: what they may say, and how a mistake in one is named."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from livepeer_client.adapters.postgres.link import Settings
from livepeer_client.codec.capability import Capability
from livepeer_client.config import load_gateway, load_orchestrator, load_redeemer, load_signer
from livepeer_client.errors import ConfigError
from livepeer_client.policy.redemption import RedemptionPolicy
from livepeer_client.policy.sender import SenderLimits
from livepeer_client.policy.signing import SignerConfig
from livepeer_client.types import Address

CHAIN = {"rpc_url": '"http://127.0.0.1:8545"', "addresses": '"addresses.json"'}
KEY = {"file": '"key"'}
ORCHESTRATOR = {
    "service_uri": '"https://orchestrator.example:8935"',
    "listen": '"0.0.0.0:8935"',
    "data_dir": '"data"',
    "price_per_unit": "7",
}
GATEWAY = {"data_dir": '"data"', "max_price_per_unit": "9"}


def write(folder: Path, **tables: dict[str, str]) -> Path:
    lines = [
        line
        for name, values in tables.items()
        for line in (f"[{name}]", *(f"{key} = {value}" for key, value in values.items()))
    ]
    path = folder / "settings.toml"
    path.write_text("\n".join(lines))
    return path


def orchestrator(folder: Path, **changes: str) -> Path:
    return write(folder, chain=CHAIN, key=KEY, orchestrator={**ORCHESTRATOR, **changes})


def test_load_orchestrator__only_what_is_required__fills_in_the_networks_defaults(tmp_path: Path) -> None:
    config = load_orchestrator(orchestrator(tmp_path))

    settings = config.orchestrator
    assert settings.base_price == 7
    assert (settings.listen_host, settings.listen_port) == ("0.0.0.0", 8935)
    assert settings.service_host == "orchestrator.example"
    assert (settings.ticket_ev_wei, settings.redeem_gas, settings.tx_cost_multiplier) == (8 * 10**9, 1_200_000, 100)
    assert (settings.max_face_value_wei, settings.expiration_blocks, settings.max_sessions) == (0, 40, 10)
    assert config.redemption.policy.batch_max == 20
    assert not config.rounds.initialize
    assert config.key.password_file is None


def test_load_orchestrator__relative_paths__are_next_to_the_file(tmp_path: Path) -> None:
    config = load_orchestrator(orchestrator(tmp_path))

    assert config.orchestrator.data_dir == tmp_path / "data"
    assert config.orchestrator.secret_file is None
    assert config.chain.addresses == tmp_path / "addresses.json"
    assert config.key.file == tmp_path / "key"


def test_load_orchestrator__secret_shared_with_other_nodes__is_a_file_next_to_the_settings(tmp_path: Path) -> None:
    config = load_orchestrator(orchestrator(tmp_path, secret_file='"shared.secret"'))

    assert config.orchestrator.secret_file == tmp_path / "shared.secret"


def test_load_orchestrator__store_shared_with_other_nodes__is_a_postgresql_url(tmp_path: Path) -> None:
    url = "postgresql://node:password@db.example/livepeer"

    assert load_orchestrator(orchestrator(tmp_path)).orchestrator.store_url is None
    assert load_orchestrator(orchestrator(tmp_path, store_url=f'"{url}"')).orchestrator.store_url == url
    for wrong in ('"mysql://node:password@db.example/livepeer"', '"password"', "1"):
        with pytest.raises(ConfigError, match="store_url: expected a postgresql:// URL") as caught:
            load_orchestrator(orchestrator(tmp_path, store_url=wrong))
        assert "password" not in str(caught.value)


def test_load_orchestrator__everything_set__is_taken(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        chain={**CHAIN, "poll_interval_s": "0.25"},
        key={**KEY, "password_file": '"/run/password"'},
        orchestrator={
            **ORCHESTRATOR,
            "service_uri": '"https://[::1]:8935/"',
            "listen": '"[::1]:8935"',
            "pixels_per_unit": "3",
            "capabilities_removed": '["MPEGTS", "segment-slicing"]',
            "max_face_value_wei": str(10**20),
        },
        redemption={"min_batch": "3", "enabled": "false", "max_gas_price_wei": "7", "accept_partial": "false"},
        rounds={"initialize": "true", "max_delay_s": "1"},
        reward={"enabled": "false"},
    )

    config = load_orchestrator(path)

    settings = config.orchestrator
    assert settings.base_price == Fraction(7, 3)
    assert (settings.service_uri, settings.service_host, settings.listen_host) == ("https://[::1]:8935", "::1", "::1")
    assert settings.capabilities_removed == {Capability.MPEGTS, Capability.SEGMENT_SLICING}
    assert settings.recipient(Address(b"\1" * 20)).max_face_value == 10**20
    assert config.key.password_file == Path("/run/password")
    assert (config.redemption.policy.batch_min, config.redemption.enabled) == (3, False)
    policy = config.redemption.policy
    assert (policy.max_gas_price, policy.urgent_max_gas_price, policy.accept_partial) == (7, None, False)
    assert (config.rounds.initialize, config.rounds.max_delay_s, config.reward.enabled) == (True, 1.0, False)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("service_uri", '"ws://orchestrator.example:8935"', "https://host:port"),
        ("service_uri", '"https://orchestrator.example"', "https://host:port"),
        ("service_uri", '"https://orchestrator.example:8935/path"', "https://host:port"),
        ("service_uri", '"https://orchestrator.example:99999"', "https://host:port"),
        ("listen", '"8935"', "host:port"),
        ("listen", '"::1:8935"', "host:port"),
        ("price_per_unit", "-1", "an integer in"),
        ("price_per_unit", "1.5", "an integer in"),
        ("price_per_unit", "true", "an integer in"),
        ("price_per_unit", str(2**63), "an integer in"),
        ("pixels_per_unit", "0", "an integer in"),
        ("ticket_ev_wei", "0", "an integer in"),
        ("capabilities_removed", '["H264", "flying"]', "capability names such as"),
        ("capabilities_removed", '"H264"', "a list of strings"),
        ("data_dir", '""', "a non-empty string"),
        ("auto_adjust_price", "1", "true or false"),
    ],
)
def test_load_orchestrator__a_wrong_value__names_file_key_and_expectation(
    tmp_path: Path, key: str, value: str, expected: str
) -> None:
    path = orchestrator(tmp_path, **{key: value})

    with pytest.raises(ConfigError, match=re.escape(f"{path}: [orchestrator] {key}: expected {expected}")):
        load_orchestrator(path)


@pytest.mark.parametrize("key", list(ORCHESTRATOR))
def test_load_orchestrator__a_required_key_missing__says_which(tmp_path: Path, key: str) -> None:
    path = write(
        tmp_path,
        chain=CHAIN,
        key=KEY,
        orchestrator={name: value for name, value in ORCHESTRATOR.items() if name != key},
    )

    with pytest.raises(ConfigError, match=rf"\[orchestrator\] {key}: expected .*, found nothing"):
        load_orchestrator(path)


def test_load_orchestrator__a_misspelt_key__is_not_ignored(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[orchestrator\] max_session: unknown key, expected one of .*max_sessions"):
        load_orchestrator(orchestrator(tmp_path, max_session="3"))


def test_load_orchestrator__an_unknown_table__is_not_ignored(tmp_path: Path) -> None:
    path = write(tmp_path, chain=CHAIN, key=KEY, orchestrator=ORCHESTRATOR, rewards={})

    with pytest.raises(ConfigError, match="rewards: unknown table"):
        load_orchestrator(path)


def test_load_orchestrator__a_larger_least_batch_than_the_largest__is_refused(tmp_path: Path) -> None:
    redemption = {"min_batch": "5", "max_batch": "4"}
    path = write(tmp_path, chain=CHAIN, key=KEY, orchestrator=ORCHESTRATOR, redemption=redemption)

    with pytest.raises(ConfigError, match=r"\[redemption\] min_batch: expected at most max_batch \(4\), found 5"):
        load_orchestrator(path)


def test_load_orchestrator__a_node_url_that_is_refused__is_not_shown(tmp_path: Path) -> None:
    chain = {**CHAIN, "rpc_url": '"ws://node.example/secret-key"'}

    with pytest.raises(ConfigError) as caught:
        load_orchestrator(write(tmp_path, chain=chain, key=KEY, orchestrator=ORCHESTRATOR))

    assert "secret-key" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "[chain", "chain = 1"], ids=["absent", "not TOML", "not a table"])
def test_load_orchestrator__no_usable_file__says_so(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "settings.toml"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigError, match=re.escape(str(path))):
        load_orchestrator(path)


def test_load_gateway__only_what_is_required__fills_in_the_networks_defaults(tmp_path: Path) -> None:
    settings = load_gateway(write(tmp_path, chain=CHAIN, key=KEY, gateway=GATEWAY)).gateway

    assert (settings.max_price_per_unit, settings.pixels_per_unit) == (9, 1)
    assert (settings.max_ticket_ev_wei, settings.max_total_ev_wei) == (3 * 10**12, 2 * 10**13)
    assert (settings.deposit_multiplier, settings.max_attempts) == (1, 3)
    assert (settings.discovery_timeout_s, settings.discovery_cutoff_s) == (0.5, 6)


def test_load_gateway__byoc__is_bought_up_to_its_ceiling_or_not_at_all(tmp_path: Path) -> None:
    none = load_gateway(write(tmp_path, chain=CHAIN, key=KEY, gateway=GATEWAY)).byoc
    some = load_gateway(
        write(tmp_path, chain=CHAIN, key=KEY, gateway=GATEWAY, byoc={"max_price_per_second": "5000"})
    ).byoc

    assert (none, some and some.ceiling) == (None, 5000)
    with pytest.raises(ConfigError, match="max_price_per_second"):
        load_gateway(write(tmp_path, chain=CHAIN, key=KEY, gateway=GATEWAY, byoc={"max_price_per_second": "-1"}))


def test_load_gateway__a_wrong_value__names_file_key_and_expectation(tmp_path: Path) -> None:
    path = write(tmp_path, chain=CHAIN, key=KEY, gateway={**GATEWAY, "max_attempts": "0"})

    with pytest.raises(ConfigError, match=re.escape(f"{path}: [gateway] max_attempts: expected an integer in")):
        load_gateway(path)


def test_load_gateway__several_node_urls__keeps_their_order(tmp_path: Path) -> None:
    chain = {**CHAIN, "fallback_rpc_urls": '["https://second.example", "https://third.example"]'}
    config = load_gateway(write(tmp_path, chain=chain, key=KEY, gateway=GATEWAY))
    assert config.chain.rpc_urls == ("http://127.0.0.1:8545", "https://second.example", "https://third.example")


@pytest.mark.parametrize("value", ['"https://node.example/secret-key"', '["ws://node.example/secret-key"]'])
def test_load_gateway__fallback_urls_that_are_refused__are_not_shown(tmp_path: Path, value: str) -> None:
    chain = {**CHAIN, "fallback_rpc_urls": value}
    with pytest.raises(ConfigError) as caught:
        load_gateway(write(tmp_path, chain=chain, key=KEY, gateway=GATEWAY))
    assert "secret-key" not in str(caught.value)


def test_load_gateway__a_key_in_a_signer__needs_no_file(tmp_path: Path) -> None:
    key = {"signer_url": '"https://signer.example:9000"', "address": f'"0x{"11" * 20}"'}
    config = load_gateway(write(tmp_path, chain=CHAIN, key=key, gateway=GATEWAY))
    assert (config.key.file, config.key.signer_url) == (None, "https://signer.example:9000")
    assert config.key.address == bytes.fromhex("11" * 20)


@pytest.mark.parametrize(
    "key",
    [
        {"signer_url": '"ws://signer.example/secret-key"', "address": f'"0x{"11" * 20}"'},
        {"signer_url": '"https://signer.example/secret-key"'},
        {"signer_url": '"https://signer.example/secret-key"', "address": '"0x11"'},
    ],
)
def test_load_gateway__a_signer_without_usable_url_and_address__is_refused(tmp_path: Path, key: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_gateway(write(tmp_path, chain=CHAIN, key=key, gateway=GATEWAY))
    assert "secret-key" not in str(caught.value)


def test_load_orchestrator__a_redeemer_of_its_own__is_named_with_its_authority(tmp_path: Path) -> None:
    redemption = {"redeemer": '"redeemer.example:8936"', "redeemer_authority": '"redeemer.pem"'}
    path = write(tmp_path, chain=CHAIN, key=KEY, orchestrator=ORCHESTRATOR, redemption=redemption)
    redeemer = load_orchestrator(path).redemption.redeemer
    assert redeemer is not None
    assert (redeemer.target, redeemer.authority) == ("redeemer.example:8936", tmp_path / "redeemer.pem")
    stray = write(tmp_path, chain=CHAIN, key=KEY, orchestrator=ORCHESTRATOR, redemption={"redeemer_authority": '"x"'})
    with pytest.raises(ConfigError, match="redeemer_authority"):
        load_orchestrator(stray)


def test_load_redeemer__whole__says_whom_it_serves(tmp_path: Path) -> None:
    redeemer = {
        "recipient": f'"0x{"22" * 20}"',
        "listen": '"127.0.0.1:8936"',
        "data_dir": '"data"',
        "token_file": '"token"',
    }
    settings = load_redeemer(write(tmp_path, chain=CHAIN, key=KEY, redeemer=redeemer)).redeemer
    assert settings.recipient == bytes.fromhex("22" * 20)
    assert (settings.host, settings.listen_port) == ("127.0.0.1", 8936)
    assert (settings.token_file, settings.client_authority) == (tmp_path / "token", None)
    with pytest.raises(ConfigError, match="recipient"):
        load_redeemer(write(tmp_path, chain=CHAIN, key=KEY, redeemer={**redeemer, "recipient": '"me"'}))


# --- signer ---------------------------------------------------------------------------------------


def signer(folder: Path, **changes: str) -> Path:
    return write(folder, chain=CHAIN, key=KEY, signer={"listen": '"127.0.0.1:8935"', "data_dir": '"data"', **changes})


def test_load_signer__only_what_is_required__signs_at_any_price_within_the_usual_limits(tmp_path: Path) -> None:
    settings = load_signer(signer(tmp_path)).signer

    assert (settings.listen_host, settings.listen_port) == ("127.0.0.1", 8935)
    assert (settings.webhook_url, settings.allow_no_auth) == (None, False)
    assert settings.policy == SignerConfig()


def test_load_signer__everything_set__is_taken(tmp_path: Path) -> None:
    settings = load_signer(
        signer(
            tmp_path,
            webhook_url='"https://auth.example/"',
            allow_no_auth="true",
            max_price_per_unit="7",
            pixels_per_unit="2",
            session_limit_wei="1000",
            max_ticket_ev_wei="10",
            max_total_ev_wei="20",
            deposit_multiplier="3",
        )
    ).signer

    assert (settings.webhook_url, settings.allow_no_auth) == ("https://auth.example/", True)
    assert settings.policy.ceilings.general == Fraction(7, 2)
    assert settings.policy.session_limit == 1_000
    assert settings.policy.limits == SenderLimits(Fraction(10), Fraction(20), 3)


def test_load_signer__webhook_that_is_no_url__is_refused_without_repeating_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="webhook_url") as refusal:
        load_signer(signer(tmp_path, webhook_url='"secret-token"'))
    assert "secret-token" not in str(refusal.value)


@pytest.mark.parametrize(("line", "fee"), [({}, None), ({"data_fee_wei": "0"}, 0), ({"data_fee_wei": "17"}, 17)])
def test_load_orchestrator__a_data_fee_or_none__is_told_apart_from_zero(
    tmp_path: Path, line: dict[str, str], fee: int | None
) -> None:
    path = write(tmp_path, chain=CHAIN, key=KEY, orchestrator=ORCHESTRATOR, redemption=line)
    assert load_orchestrator(path).redemption.policy.data_fee == fee


def test_load_orchestrator__a_compact_group__is_the_planners(tmp_path: Path) -> None:
    assert load_orchestrator(orchestrator(tmp_path)).redemption.policy == RedemptionPolicy()
    path = write(tmp_path, chain=CHAIN, key=KEY, orchestrator=ORCHESTRATOR, redemption={"compact_group": "5"})
    assert load_orchestrator(path).redemption.policy == RedemptionPolicy(compact_group=5)


def test_load_orchestrator__urls_with_secrets__are_not_in_its_repr(tmp_path: Path) -> None:
    chain = {**CHAIN, "rpc_url": '"https://node.example/hunter2"', "fallback_rpc_urls": '["https://b.example/hunter2"]'}
    settings = {**ORCHESTRATOR, "store_url": '"postgresql://node:hunter2@db.example/livepeer"'}
    config = load_orchestrator(write(tmp_path, chain=chain, key=KEY, orchestrator=settings))
    assert "hunter2" not in repr(config)
    assert "hunter2" not in repr(Settings(str(config.orchestrator.store_url), "tickets"))


def test_load_orchestrator__a_misspelt_table__is_named_where_the_right_one_is_missed(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text('[chains]\nrpc_url = "http://127.0.0.1:8545"\n[key]\nfile = "key"\n')
    with pytest.raises(
        ConfigError, match=r"\[chain\]: expected a table, found nothing; left to read are \[chains\], \[key\]"
    ):
        load_orchestrator(tmp_path / "node.toml")
