"""What Grafana's server makes of `from` and `to`: its gtime package and the date math below it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.grafana.times import bucket, is_absolute, resolve


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOW = "2020-03-26T15:12:56.789"  # a Thursday


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0", "1970-01-01T00:00"),
        ("1585235576789", "2020-03-26T15:12:56.789"),
        ("+1585235576789", "2020-03-26T15:12:56.789"),
        ("-313000000000", "1960-01-31T07:33:20"),
        ("now", NOW),
        ("5m", "2020-03-26T15:07:56.789"),
        ("1h30m", "2020-03-26T13:42:56.789"),
        ("789ms", "2020-03-26T15:12:56"),
        ("now-90s", "2020-03-26T15:11:26.789"),
        ("now-10m", "2020-03-26T15:02:56.789"),
        ("now-6h", "2020-03-26T09:12:56.789"),
        ("now-6H", "2020-03-26T09:12:56.789"),
        ("now-3d", "2020-03-23T15:12:56.789"),
        ("now+3w", "2020-04-16T15:12:56.789"),
        ("now-2M", "2020-01-26T15:12:56.789"),
        ("now-1Q", "2019-12-26T15:12:56.789"),
        ("now-1y", "2019-03-26T15:12:56.789"),
        ("now-1d-1h", "2020-03-25T14:12:56.789"),
        ("now+1M+5d", "2020-05-01T15:12:56.789"),
        ("now-26d-1M", "2020-01-29T15:12:56.789"),
    ],
)
@pytest.mark.parametrize("up", [False, True])
def test_a_moment(text: str, moment: str, up: bool) -> None:
    assert resolve(text, ms(NOW), up=up) == ms(moment)


@pytest.mark.parametrize(
    ("now", "text", "down", "up"),
    [
        (NOW, "now/s", "2020-03-26T15:12:56", "2020-03-26T15:12:56.999"),
        (NOW, "now/m", "2020-03-26T15:12", "2020-03-26T15:12:59.999"),
        (NOW, "now/h", "2020-03-26T15:00", "2020-03-26T15:59:59.999"),
        (NOW, "now/d", "2020-03-26T00:00", "2020-03-26T23:59:59.999"),
        (NOW, "now/w", "2020-03-23T00:00", "2020-03-29T23:59:59.999"),
        (NOW, "now/M", "2020-03-01T00:00", "2020-03-31T23:59:59.999"),
        (NOW, "now/Q", "2020-01-01T00:00", "2020-03-31T23:59:59.999"),
        (NOW, "now/y", "2020-01-01T00:00", "2020-12-31T23:59:59.999"),
        (NOW, "now-1d/d", "2020-03-25T00:00", "2020-03-25T23:59:59.999"),
        (NOW, "now-1M/M", "2020-02-01T00:00", "2020-02-29T23:59:59.999"),
        (NOW, "now/d-1h", "2020-03-25T23:00", "2020-03-26T22:59:59.999"),
        (NOW, "now/d+6h/h", "2020-03-26T06:00", "2020-03-27T05:59:59.999"),
        ("2020-03-30T00:00", "now/w", "2020-03-30T00:00", "2020-04-05T23:59:59.999"),
        ("2020-03-29T23:59:59.999", "now/w", "2020-03-23T00:00", "2020-03-29T23:59:59.999"),
        ("2020-12-31T12:00", "now/M", "2020-12-01T00:00", "2020-12-31T23:59:59.999"),
        ("2020-11-02T12:00", "now/Q", "2020-10-01T00:00", "2020-12-31T23:59:59.999"),
        ("1969-12-31T23:59:59.500", "now/m", "1969-12-31T23:59", "1969-12-31T23:59:59.999"),
    ],
)
def test_from_rounds_down_and_to_rounds_up(now: str, text: str, down: str, up: str) -> None:
    assert (resolve(text, ms(now), up=False), resolve(text, ms(now), up=True)) == (ms(down), ms(up))


@pytest.mark.parametrize(
    ("now", "text", "moment"),
    [
        ("2021-01-31T12:00", "now+1M", "2021-03-03T12:00"),
        ("2021-03-31T12:00", "now-1M", "2021-03-03T12:00"),
        ("2020-02-29T12:00", "now-1y", "2019-03-01T12:00"),
        ("2020-05-31T12:00", "now-1Q", "2020-03-02T12:00"),
        ("2020-12-15T12:00", "now+1M", "2021-01-15T12:00"),
    ],
)
def test_a_day_that_the_month_does_not_have_runs_over(now: str, text: str, moment: str) -> None:
    assert resolve(text, ms(now), up=False) == ms(moment)


@pytest.mark.parametrize(
    "text",
    """
    - NOW yesterday now- now-h now-1 now-1f now-1fy now/fy now/fQ now/ now/2d now-1b now/b now--1h now-1h/ now|-1h
    2020-03-26 2020-03-26T15:12:56Z 2020-03-26|| 1.5h -5m 1e12 1585235576789.5 0x10 1_000 ٣ 5M 1d
    9223372036854775808 99999999999999999999 now-9999999h now-9999y now+9999y now-999999w
    """.split(),
)
def test_the_rest_is_not_read(text: str) -> None:
    assert resolve(text, ms(NOW), up=False) is None


@pytest.mark.parametrize("text", ["", " ", " now", "now ", "now -1h", "12 ", "1\n", "now-1h\n", "5m\n"])
def test_no_space_is_read_over(text: str) -> None:
    assert resolve(text, ms(NOW), up=False) is None


@given(st.text(alphabet="now-+/smhdwMyQ0123456789fb.|: ") | st.text(), st.booleans())
def test_any_text_is_read_or_not(text: str, up: bool) -> None:
    assert isinstance(resolve(text, ms(NOW), up=up), int | None)


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_whole_numbers_are_milliseconds(number: int) -> None:
    assert is_absolute(str(number))
    assert resolve(str(number), 0, up=True) == number


@given(st.integers(min_value=-(2**62), max_value=2**62), st.integers(min_value=1, max_value=2**40))
def test_a_bucket_is_the_multiple_below(moment: int, interval: int) -> None:
    start = bucket(moment, interval)
    assert start % interval == 0
    assert start <= moment < start + interval
