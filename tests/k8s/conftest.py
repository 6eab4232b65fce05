"""Each overlay is rendered once."""

import pytest

from tests.k8s.rendered import OVERLAYS, Rendered, render


@pytest.fixture(scope="session", params=OVERLAYS)
def site(request: pytest.FixtureRequest) -> Rendered:
    return render(request.param)


@pytest.fixture(scope="session")
def prod() -> Rendered:
    return render("prod")
