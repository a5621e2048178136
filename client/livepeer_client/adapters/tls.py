"""The orchestrator's TLS identity: a self-signed EC P-256 certificate that stays the same between restarts.

Peers trust it on first use (offchain-network 0, B.1), so a certificate that changes costs them a second handshake
or, where they pin it, the connection.
"""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from livepeer_client.adapters.secret_file import read_or_create
from livepeer_client.errors import StoreError

LIFETIME: Final = timedelta(hours=8765)
RENEW_BEFORE: Final = timedelta(days=30)
"""A certificate this close to its end is replaced at the next start."""
ALPN: Final = ("h2", "http/1.1")


def server_context(path: Path, host: str, now: float) -> ssl.SSLContext:
    """A server's context around the certificate and key in `path` (PEM, mode 0600), made there if absent.

    One that names another host or is about to expire at `now` (Unix seconds) is set aside as `<name>.old`.

    :raises StoreError: the file can be neither read nor written, or holds no certificate.
    """
    moment = datetime.fromtimestamp(now, UTC)
    pem = read_or_create(path, lambda: make_certificate(host, moment))
    if not _fits(path, pem, host, moment):
        path.replace(path.with_suffix(path.suffix + ".old"))
        read_or_create(path, lambda: make_certificate(host, moment))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(ALPN))
    try:
        context.load_cert_chain(path)
    except ssl.SSLError as error:
        raise StoreError(f"{path}: certificate and key do not belong together") from error
    return context


def make_certificate(host: str, now: datetime) -> bytes:
    """PEM of a new private key and its self-signed certificate for `host`, a DNS name or an IP address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A peer's clock may be behind.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
        # Set, because peers load this very certificate as their root.
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _fits(path: Path, pem: bytes, host: str, now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise StoreError(f"{path}: holds no certificate of ours") from error
    return _general_name(host) in list(names) and now + RENEW_BEFORE < certificate.not_valid_after_utc
