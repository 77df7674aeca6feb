"""The pages with tables that are made."""

import pytest

from tests.documents.shown import ROOT
from tests.documents.typist import Typist


@pytest.mark.types("make docs")
def test_the_page_is_written_anew(typist: Typist) -> None:
    page = typist.clone / "docs/module.md"
    page.unlink()
    typist.type("make docs")
    for name in ("docs/module.md", "docs/settings.md"):
        assert (typist.clone / name).read_bytes() == (ROOT / name).read_bytes()
