"""What docs/deploying.md shows to be tried without an account."""

import pytest

from tests.documents.typist import Typist


@pytest.mark.types("terraform init && terraform test")
def test_by_a_pretended_provider(typist: Typist) -> None:
    assert "Success!" in typist.type(*typist.names)
