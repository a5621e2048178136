"""The certificate peers trust on first use (offchain-network 0, B.1)."""

import ipaddress
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from livepeer_client.adapters.tls import LIFETIME, server_context
from livepeer_client.errors import StoreError

NOW = 1_700_000_000.0


def certificate_in(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names_in(path: Path) -> list[str]:
    names = certificate_in(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def test_server_context__no_file__makes_a_certificate_as_peers_expect_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "tls.pem"

    server_context(path, "orchestrator.example", NOW)

    certificate = certificate_in(path)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert names_in(path) == ["orchestrator.example"]
    assert certificate.not_valid_after_utc == datetime.fromtimestamp(NOW, UTC) + LIFETIME


def test_server_context__an_ip_host__is_named_as_an_ip(tmp_path: Path) -> None:
    server_context(tmp_path / "tls.pem", "127.0.0.1", NOW)

    extension = certificate_in(tmp_path / "tls.pem").extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert extension.value.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]


def test_server_context__a_restart__keeps_the_certificate(tmp_path: Path) -> None:
    path = tmp_path / "tls.pem"
    server_context(path, "127.0.0.1", NOW)
    before = path.read_bytes()

    server_context(path, "127.0.0.1", NOW + 3600)

    assert path.read_bytes() == before


def test_server_context__near_its_end__makes_a_new_one_and_keeps_the_old_aside(tmp_path: Path) -> None:
    path = tmp_path / "tls.pem"
    server_context(path, "127.0.0.1", NOW)
    before = path.read_bytes()

    server_context(path, "127.0.0.1", NOW + LIFETIME.total_seconds() - 3600)

    assert path.read_bytes() != before
    assert (tmp_path / "tls.pem.old").read_bytes() == before


def test_server_context__another_host__makes_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "tls.pem"
    server_context(path, "127.0.0.1", NOW)

    server_context(path, "orchestrator.example", NOW)

    assert names_in(path) == ["orchestrator.example"]


def test_server_context__the_file__is_readable_by_its_owner_only(tmp_path: Path) -> None:
    server_context(tmp_path / "tls.pem", "127.0.0.1", NOW)

    assert stat.S_IMODE((tmp_path / "tls.pem").stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["tls.pem"]


def test_server_context__a_file_that_is_no_certificate__is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tls.pem"
    path.write_bytes(b"something else")

    with pytest.raises(StoreError, match=r"tls\.pem"):
        server_context(path, "127.0.0.1", NOW)

    assert path.read_bytes() == b"something else"
