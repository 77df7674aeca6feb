"""A store in memory that writes down what is asked of it, and fails where it is told to."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from dxnn_agent.store.store import ALWAYS, NO_METADATA, Condition, Head, Listed, StoreError

NOW = datetime(2025, 1, 11, tzinfo=UTC)


class RecordingStore:
    """Holds objects; `puts` are the keys that were written or tried, in their order."""

    name = "bkt"

    def __init__(
        self, *, reads: bool = True, fails_at: Callable[[str], bool] = lambda _: False
    ) -> None:
        self.objects: dict[str, tuple[bytes, Mapping[str, str]]] = {}
        self.puts: list[str] = []
        self._reads = reads
        self._fails_at = fails_at

    def list(self, prefix: str) -> dict[str, Listed]:
        self._answer()
        return {
            key: Listed(len(body), NOW)
            for key, (body, _) in self.objects.items()
            if key.startswith(prefix)
        }

    def head(self, key: str) -> Head | None:
        self._answer()
        held = self.objects.get(key)
        return Head(str(hash(held[0])), held[1]) if held else None

    def read(self, key: str) -> tuple[bytes, Mapping[str, str]] | None:
        self._answer()
        return self.objects.get(key)

    def put(
        self,
        key: str,
        body: Path | bytes,
        sha256: str,
        metadata: Mapping[str, str] = NO_METADATA,
        condition: Condition = ALWAYS,
        progress: Callable[[int], None] | None = None,
    ) -> bool:
        self.puts.append(key)
        del progress  # what is in memory has arrived at once
        if self._fails_at(key):
            raise StoreError(f"{key}: 503")
        held = self.objects.get(key)
        if condition.absent and held:
            return False
        if condition.version and (held is None or condition.version != str(hash(held[0]))):
            return False
        content = body if isinstance(body, bytes) else body.read_bytes()
        self.objects[key] = (content, {"sha256": sha256, **metadata})
        return True

    def fetch(self, key: str, path: Path) -> None:
        self._answer()
        path.write_bytes(self.objects[key][0])

    def _answer(self) -> None:
        if not self._reads:
            raise StoreError("AccessDenied", denied=True)
