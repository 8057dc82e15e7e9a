import io
import json
import logging
from collections.abc import Iterator

import pytest

from proxy.telemetry import logs

LOG = logging.getLogger("proxy.of_a_test")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What `configure` did to the loggers is undone."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    loggers = (root, *map(logging.getLogger, ("aiohttp.access", "asyncio")))
    levels = [logger.level for logger in loggers]
    yield io.StringIO()
    root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("two words", '"two words"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("a=b", '"a=b"'),
        ("a\nlevel=error", '"a\\nlevel=error"'),
        ("a\x1b[2Jb", '"a\\x1b[2Jb"'),
    ],
)
def test_a_value_forges_no_line_of_logfmt(stream: io.StringIO, value: str, written: str) -> None:
    logs.configure("logfmt", "info", stream)
    LOG.info("said", extra={"value": value})
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(f" level=info logger=millpond.of_a_test msg=said value={written}")


def test_a_line_of_json_has_the_fields_as_they_are(stream: io.StringIO) -> None:
    logs.configure("json", "info", stream)
    LOG.warning("said", extra={"count": 3, "value": 'two\n"lines"'})
    (line,) = stream.getvalue().splitlines()
    fields = json.loads(line)
    assert fields.pop("time").endswith("+00:00")
    assert fields == {
        "level": "warning",
        "logger": "millpond.of_a_test",
        "msg": "said",
        "count": 3,
        "value": 'two\n"lines"',
    }


def test_a_line_for_a_console_leaves_out_what_a_person_does_not_need(stream: io.StringIO) -> None:
    logs.configure("console", "info", stream)
    LOG.info("said\x1b[2J", extra={"value": "two words"})
    (line,) = stream.getvalue().splitlines()
    assert line[8] == "."
    assert line[12:] == ' INFO    said?[2J value="two words"'


@pytest.mark.parametrize("log_format", ["logfmt", "json", "console"])
def test_an_exception_has_its_traceback(stream: io.StringIO, log_format: str) -> None:
    logs.configure(log_format, "info", stream)
    try:
        raise ValueError("canary")
    except ValueError:
        LOG.exception("failed")
    assert "Traceback" in stream.getvalue()
    assert "canary" in stream.getvalue()


def test_the_level_holds_and_chatter_is_held_back_above_it(stream: io.StringIO) -> None:
    logs.configure("logfmt", "debug", stream)
    LOG.debug("shown")
    logging.getLogger("asyncio").info("chatter")
    logs.configure("logfmt", "error", stream)
    LOG.warning("not shown")
    assert [line.rpartition("msg=")[2] for line in stream.getvalue().splitlines()] == ["shown"]


@pytest.mark.parametrize(
    ("query", "redacted"),
    [
        ("", ""),
        ("query=up&time=1", "query=…&time=…"),
        ("token=a=b", "token=…"),
        ("bare&x=", "…&x=…"),
    ],
)
def test_a_query_is_shown_without_its_values(query: str, redacted: str) -> None:
    assert logs.redact_query(query) == redacted


def test_one_line_of_a_kind_goes_through_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    quiet = logs.Quiet(10.0, monotonic=lambda: now)
    for now in (0.0, 1.0, 9.9, 10.0, 10.1, 25.0, 50.0):
        quiet.log(LOG, logging.WARNING, "read", "failed", {"at": now})
    quiet.log(LOG, logging.WARNING, "write", "another kind")
    said = [
        (record.message, getattr(record, "at", None), getattr(record, "times_before", 0)) for record in caplog.records
    ]
    assert said == [
        ("failed", 0.0, 0),
        ("failed", 10.0, 2),
        ("failed", 25.0, 1),
        ("failed", 50.0, 0),
        ("another kind", None, 0),
    ]
