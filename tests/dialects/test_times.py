import pytest

from proxy.dialects.times import is_absolute


@pytest.mark.parametrize(
    "text",
    [
        "1700000000",
        "1700000000.123",
        "1.7e9",
        "1E+9",
        "1700000000000000000",
        "2024-01-02T03:04:05Z",
        "2024-01-02T03:04:05.123456789Z",
        "2024-01-02T03:04:05+02:00",
        "2024-01-02 03:04",
        "2024-01-02Z",
        "2024-01",
        "2024Z",
    ],
)
def test_absolute(text: str) -> None:
    assert is_absolute(text)


@pytest.mark.parametrize(
    "text", [None, "", "now", "now-1h", "-1h", "5m", "1h30m", "2024-01-02T03:04:05Z-1h", "-5", "-1e9", "1e-9", "٣"]
)
def test_possibly_relative(text: str | None) -> None:
    assert not is_absolute(text)
