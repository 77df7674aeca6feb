"""What cloud-init reads in a machine, in place of the metadata service (see base_image.py)."""

import json
from pathlib import Path

from rehearsal.metadata_documents import Machine


def write(directory: Path, described: Machine, key: str | None) -> Path:
    """Write a machine's user data, name and login key for cloud-init's NoCloud; give the place."""
    directory.mkdir(parents=True, exist_ok=True)
    meta = {
        "instance-id": described.instance_id,
        "local-hostname": described.hostname,
        "public-keys": [key] if key else [],
    }
    # JSON is YAML.
    (directory / "meta-data").write_text(json.dumps(meta) + "\n", encoding="utf-8")
    (directory / "user-data").write_text(described.user_data or "", encoding="utf-8")
    return directory
