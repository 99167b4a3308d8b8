"""A certificate authority of the sandbox's own, and the certificates that its load balancers show."""

from __future__ import annotations

import ssl
import tempfile
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = timedelta(days=365)
NO_DOMAIN = "nobody.invalid"
"""Who a listener says it is if it has no certificate for anything."""


class CertificateAuthority:
    """Makes certificates in a folder of its own. ``ca_file`` is what clients trust; ``close`` removes it all.

    Safe to share among threads.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="smplan-sandbox-")
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "smplan sandbox")])
        self._certificate = self._root()
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}
        self._making = threading.Lock()
        self.ca_file = Path(self._folder.name) / "ca.pem"
        self.ca_file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def close(self) -> None:
        """Remove the files. May be called again."""
        self._folder.cleanup()

    def context(self, domains: Sequence[str]) -> ssl.SSLContext:
        """What a server needs to show a certificate for these names, which may be wildcards."""
        names = tuple(domains) or (NO_DOMAIN,)
        with self._making:
            if names not in self._contexts:
                self._contexts[names] = self._made(names, len(self._contexts))
            return self._contexts[names]

    def _root(self) -> x509.Certificate:
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = self._builder(self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(usage, critical=True)
        return builder.sign(self._key, hashes.SHA256())

    def _made(self, names: tuple[str, ...], number: int) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        # A common name holds 64 characters; the names that count are the alternative ones.
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = self._builder(subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        certificate = builder.add_extension(issuer, False).sign(self._key, hashes.SHA256())
        path = Path(self._folder.name) / f"{number}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + _text(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)  # the wall's time: so do the clients' TLS libraries
        builder = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number(), now - LIFE, now + LIFE)
        return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
