"""The way to AWS for programs that know only its real addresses: a proxy, for `HTTPS_PROXY`.

Whatever they ask of amazonaws.com by TLS gets to moto's server, which goes by the host they name.
"""

import contextlib
import datetime as dt
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from rehearsal.cloud import REGION, ROOT_KEY
from tests.loopback import HOST

# A certificate's star stands for one label.
_NAMES = [f"{star}amazonaws.com" for star in ("*.", "*.s3.", "*.us-east-1.", "*.s3.us-east-1.")]
_SECONDS = 60


@contextlib.contextmanager
def aws_proxy(directory: Path, endpoint: str) -> Iterator[dict[str, str]]:
    """Lead to the server at an HTTP endpoint while the block lasts, and certify it.

    Gives the environment by which a program gets there, as the account's root user.
    """
    address = urlsplit(endpoint)
    server = (str(address.hostname), address.port or 80)
    directory.mkdir(parents=True, exist_ok=True)
    bundle, own = directory / "ca.pem", directory / "own.pem"
    _certify(bundle, own)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)

    class Connection(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked = self.rfile.readline().split()
            while self.rfile.readline().strip():
                pass
            host = asked[1].decode().partition(":")[0] if asked[:1] == [b"CONNECT"] else ""
            if not host.endswith(".amazonaws.com"):
                self.wfile.write(b"HTTP/1.1 403 There is only AWS here\r\n\r\n")
                return
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(self.connection, server_side=True) as client,
                socket.create_connection(server, _SECONDS) as moto,
            ):
                back = threading.Thread(target=_copy, args=(moto, client), daemon=True)
                back.start()
                _copy(client, moto)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server((HOST, 0), Connection) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield {
                "HTTPS_PROXY": f"http://{HOST}:{proxy.server_address[1]}",
                "AWS_CA_BUNDLE": str(bundle),
                "SSL_CERT_FILE": str(bundle),
                "AWS_ACCESS_KEY_ID": ROOT_KEY,
                "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,  # where version 1 of the AWS CLI looks for it
            }
        finally:
            proxy.shutdown()
            thread.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Hand on what one side says until it has said all, then tell the other."""
    with contextlib.suppress(OSError):
        while said := source.recv(65536):
            target.sendall(said)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def _certify(bundle: Path, own: Path) -> None:
    """Write a certificate for AWS's names that vouches for itself, and the same with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "AWS on this machine")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(one) for one in _NAMES])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    own.write_bytes(
        bundle.read_bytes()
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
