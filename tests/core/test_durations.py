import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.durations import format_ms, parse_ms


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [
        ("0", 0),
        ("0s", 0),
        ("30s", 30_000),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("1.5h", 5_400_000),
        ("250ms", 250),
        ("1d", 86_400_000),
        ("1w", 604_800_000),
        (" 5m ", 300_000),
    ],
)
def test_reads_what_grafana_and_go_write(text: str, duration_ms: int) -> None:
    assert parse_ms(text) == duration_ms


@pytest.mark.parametrize("text", ["", " ", "5", "m", "5 m", "-5m", "5m,", "5y", "1e3s", "٥m", "5m5", ".5m"])
def test_refuses_everything_else_and_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 30s, 5m or 1h30m"):
        parse_ms(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_what_is_written_reads_back(duration_ms: int) -> None:
    assert parse_ms(format_ms(duration_ms)) == duration_ms
