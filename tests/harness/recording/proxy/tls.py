"""TLS for the tests: a certificate for this machine, and a port that puts TLS in front of another."""

from __future__ import annotations

import _ssl
import asyncio
import datetime as dt
import ipaddress
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness.recording.proxy.websocket_server import Loop


def trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The context of a server on this machine whose certificate the clients of this test trust."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    _write(certificate, key)
    loading = _ssl._SSLContext.load_verify_locations  # type: ignore[attr-defined] # conftest replaces it
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", loading)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _write(certificate: Path, key: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tokentape tests")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))  # OpenSSL's clock is that of the machine
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, hashes.SHA256())
    )
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


class TlsFront(Loop):
    """A port that takes TLS and passes what it holds on to another port."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__()
        self._target = port
        self._context = context

    async def run(self) -> None:
        """Serve until the test ends."""
        async with await asyncio.start_server(self._join, "127.0.0.1", 0, ssl=self._context) as server:
            await self.serve_on(server.sockets[0].getsockname()[1])

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
