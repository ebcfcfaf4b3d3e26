"""``wss``: the same connection over TLS, trusted or refused."""

from __future__ import annotations

import datetime
import ipaddress
import queue
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from livestack.transports.clock import SystemClock
from livestack.transports.websocket import WebSocketClientTransport
from tests.transports.server import WAIT_S, Heard, Peer, frame, hold, read_frame, upgrade


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that signs itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "livestack test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def secure_peer(certificate: Path, got: queue.SimpleQueue[bytes]) -> Peer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def behave(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            upgrade(secured)
            got.put(read_frame(secured)[1])
            secured.sendall(b"".join(frame(b"%d" % number * 50) for number in range(3_000)))
            secured.sendall(frame(b"x" * 300_000))
            hold(secured)

    return Peer(behave, "wss")


def test_frames_over_tls(certificate: Path) -> None:
    """Many small frames and a large one: nothing stays behind in the TLS layer."""
    got: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    trust = ssl.create_default_context(cafile=str(certificate))
    with secure_peer(certificate, got) as peer:
        heard = Heard()
        connection = WebSocketClientTransport(SystemClock(), tls=trust).connect(peer.url, heard)
        heard.next("open")
        connection.send("hello")
        assert got.get(timeout=WAIT_S) == b"hello"
        assert [heard.next("frame") for _ in range(3_000)] == [b"%d" % number * 50 for number in range(3_000)]
        assert heard.next("frame") == b"x" * 300_000
        connection.close()
        assert heard.next("close") == "closed by us"


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    """By the machine's own trust, which is the default."""
    with secure_peer(certificate, queue.SimpleQueue()) as peer:
        heard = Heard()
        WebSocketClientTransport(SystemClock()).connect(peer.url, heard)
        assert "certificate verify failed" in str(heard.next("close"))
