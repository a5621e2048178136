"""Certificates of peers, trusted on first use and kept on disk, with the key that was proven behind each.

A pin is a cache and no statement about identity. A proof belongs to its certificate: whoever presents another one has
proven nothing yet.
"""

import logging
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from livepeer_client.errors import MalformedMessage
from livepeer_client.types import ADDRESS_BYTES, Address

_END: Final = "-----END CERTIFICATE-----\n"
_PROVEN: Final = "proven"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pin:
    """A leaf certificate (DER), a name it is valid for, and the address whose key was proven behind it, at
    `proven_at` in Unix seconds."""

    der: bytes
    name: str
    proven: Address | None = None
    proven_at: float = 0.0

    def same_certificate(self, other: "Pin | None") -> bool:
        return other is not None and other.der == self.der


def make_pin(der: bytes, host: str) -> Pin:
    """:raises MalformedMessage: no certificate."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        return Pin(der, _certificate_name(certificate) or host)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise MalformedMessage("certificate", str(error)) from error


def _certificate_name(certificate: x509.Certificate) -> str:
    """The first DNS name, else the first IP address, else the common name (offchain-network B.1)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        pass  # The common name is left.
    else:
        if dns := names.get_values_for_type(x509.DNSName):
            return dns[0]
        if addresses := names.get_values_for_type(x509.IPAddress):
            return str(addresses[0])
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else ""


class PinFolder:
    """Pins on disk, one PEM file per authority, so that a restart is not a first contact.

    They are read all at once: a discovery wants them all, and a look at each would cost it more than its handshakes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._texts: dict[str, str] = {}

    def read(self) -> None:
        """Read the folder; blocks. What cannot be read is fetched anew by whoever needs it."""
        try:
            files = list(self._folder.glob("*.pem"))
        except OSError:
            return
        for file in files:
            try:
                self._texts[file.name] = file.read_text(encoding="ascii")
            except (OSError, UnicodeDecodeError):
                continue

    def load(self, name: str, host: str) -> Pin | None:
        """The pin of an authority, as the folder was when it was read; None if there is none or it is damaged."""
        text = self._texts.pop(f"{name}.pem", None)
        if text is None:
            return None
        certificate, end, rest = text.partition(_END)
        try:
            pin = make_pin(ssl.PEM_cert_to_DER_cert(certificate + end), host)
        except (ValueError, MalformedMessage):
            return None
        return _with_proof(pin, rest)

    def store(self, name: str, pin: Pin) -> None:
        """Write a pin; blocks."""
        text = ssl.DER_cert_to_PEM_cert(pin.der)
        if pin.proven is not None:
            text += f"{_PROVEN} 0x{pin.proven.hex()} {pin.proven_at:.0f}\n"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(dir=self._folder, suffix=".part")
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
            os.replace(part, self._folder / f"{name}.pem")
        except OSError as error:
            # A full disk, or a host whose name is too long for a file's: the cache lacks it, nothing else.
            _log.warning("certificate of %s not kept: %s", name, error)


def _with_proof(pin: Pin, text: str) -> Pin:
    words = text.split()
    if len(words) != 3 or words[0] != _PROVEN:
        return pin
    try:
        address, at = bytes.fromhex(words[1].removeprefix("0x")), float(int(words[2]))
    except ValueError:
        return pin
    return Pin(pin.der, pin.name, Address(address), at) if len(address) == ADDRESS_BYTES else pin
