"""A metadata client that hides nothing of what the service answers."""

from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """A status, its headers with names in lower case, and its body."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass(frozen=True)
class Client:
    """Asks one endpoint, each time over a connection of its own."""

    endpoint: str

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> Answer:
        """Send one request. Raises what http.client raises."""
        connection = HTTPConnection(urlsplit(self.endpoint).netloc, timeout=5)
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read().decode())
        finally:
            connection.close()

    def token(self, ttl: str = "60") -> str:
        """Get a session token."""
        answer = self.ask("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": ttl})
        assert answer.status == 200, answer
        return answer.text

    def get(self, path: str, token: str | None = None) -> Answer:
        """Get what lies below /latest/ with a token, by default a fresh one."""
        return self.ask(
            "GET", f"/latest/{path}", {"X-aws-ec2-metadata-token": token or self.token()}
        )
