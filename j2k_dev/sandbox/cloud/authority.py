"""An authority of the twin's own, and the certificates it gives: to the registry and to the broker."""

from __future__ import annotations

import datetime as dt
import ipaddress
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from j2k_dev.sandbox.cloud.files import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

_LIFE = dt.timedelta(days=3650)
_LEEWAY = dt.timedelta(days=1)
_KEY = "-----BEGIN PRIVATE KEY-----"  # what a key begins with behind its certificate


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as PEM."""

    certificate: str
    key: str = field(repr=False)


def provide_authority(certificate: Path, key: Path) -> Identity:
    """Read the authority, or make one where it is lost or about to end."""
    with suppress(OSError, ValueError):
        kept = Identity(certificate.read_text(encoding="ascii"), key.read_text(encoding="ascii"))
        if _lasts(kept):
            return kept
    made = _self_signed("j2k twin")
    write_private(key, made.key)
    write_private(certificate, made.certificate, mode=0o644)
    return made


def provide_certificate(authority: Identity, path: Path, name: str, hosts: Iterable[str]) -> Identity:
    """Read what a server was given, or give it anew: where it is lost, or of another authority, or for other names."""
    wanted = tuple(sorted(hosts))
    with suppress(OSError, ValueError):
        certificate, begin, key = path.read_text(encoding="ascii").partition(_KEY)
        kept = Identity(certificate, begin + key)
        if _lasts(kept) and _is_signed_by(kept, authority) and _hosts(kept) == wanted:
            return kept
    made = signed(authority, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), wanted)
    write_private(path, made.certificate + made.key)
    return made


def signed(authority: Identity, subject: x509.Name, hosts: tuple[str, ...] = ()) -> Identity:
    """Give a certificate for a server with these names, or, without any, for a user."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = _builder(subject, issuer.subject, key.public_key()).add_extension(
        x509.ExtendedKeyUsage([usage]), critical=False
    )
    builder = builder.add_extension(_usage(authority=False), critical=True)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
    signer = serialization.load_pem_private_key(authority.key.encode(), None)
    return _pem(builder.sign(_issuing(signer), hashes.SHA256()), key)


def _self_signed(name: str) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(authority=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return _pem(builder.sign(key, hashes.SHA256()), key)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LEEWAY)
        .not_valid_after(now + _LIFE)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _issuing(key: object) -> CertificateIssuerPrivateKeyTypes:
    assert hasattr(key, "sign")
    return key  # type: ignore[return-value]  # those that can't sign are no authority's


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Identity:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Identity(certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode())


def _lasts(identity: Identity) -> bool:
    found = x509.load_pem_x509_certificate(identity.certificate.encode())
    serialization.load_pem_private_key(identity.key.encode(), None)
    return found.not_valid_after_utc - _LEEWAY > dt.datetime.now(dt.timezone.utc)


def _is_signed_by(identity: Identity, authority: Identity) -> bool:
    found = x509.load_pem_x509_certificate(identity.certificate.encode())
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    try:
        found.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _hosts(identity: Identity) -> tuple[str, ...]:
    found = x509.load_pem_x509_certificate(identity.certificate.encode())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return tuple(sorted(str(name.value) for name in names))
