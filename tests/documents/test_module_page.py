"""What docs/module.md says of itself."""

import pytest

from tests.documents.shown import ROOT
from tests.documents.typist import Typist


@pytest.mark.types("make docs")
def test_the_page_is_written_anew(typist: Typist) -> None:
    page = typist.clone / "docs/module.md"
    page.unlink()
    typist.type("make docs")
    assert page.read_bytes() == (ROOT / "docs/module.md").read_bytes()
