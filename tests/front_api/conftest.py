"""One Grafana of each edition, and a Millpond before each."""

from collections.abc import Iterator

import pytest

from .place import Place, place


@pytest.fixture(scope="package")
def oss() -> Iterator[Place]:
    with place() as running:
        yield running


@pytest.fixture(scope="package")
def enterprise() -> Iterator[Place]:
    with place(edition="enterprise") as running:
        yield running


@pytest.fixture(scope="package")
def legacy() -> Iterator[Place]:
    with place(edition="legacy", rotation="old") as running:
        yield running
