from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.statements import CLICKHOUSE, FLUX, INFLUXQL, Grammar, Undecidable, calls, lex, statements, words


@pytest.mark.parametrize(
    ("grammar", "text", "expected"),
    [
        (INFLUXQL, "SELECT a FROM b; DROP MEASUREMENT c", [["SELECT", "A", "FROM", "B"], ["DROP", "MEASUREMENT", "C"]]),
        (INFLUXQL, "SELECT ';' FROM \"into\"", [["SELECT", "FROM"]]),
        (INFLUXQL, "SELECT a -- ; DROP b\nFROM c", [["SELECT", "A", "FROM", "C"]]),
        (INFLUXQL, "SELECT a /* INTO b */ FROM c", [["SELECT", "A", "FROM", "C"]]),
        (INFLUXQL, "SELECT a FROM c WHERE h=~/'/; DROP b --'", [["SELECT", "A", "FROM", "C", "WHERE", "H"], ["DROP", "B"]]),
        (INFLUXQL, "SELECT a / 2 FROM /cpu'.*/; DROP b", [["SELECT", "A", "2", "FROM"], ["DROP", "B"]]),
        (INFLUXQL, r"SELECT 'it\'s; x' FROM c", [["SELECT", "FROM", "C"]]),
        (CLICKHOUSE, "SELECT 'it''s; x' FROM c;", [["SELECT", "FROM", "C"]]),
        (CLICKHOUSE, "SELECT `a;b` # ; x\nFROM c", [["SELECT", "FROM", "C"]]),
        (FLUX, 'from(bucket: "a;b") // to()\n|> range(start: 2026)', [["FROM", "BUCKET", "RANGE", "START", "2026"]]),
    ],
)  # fmt: skip
def test_words_of_statements(grammar: Grammar, text: str, expected: list[list[str]]) -> None:
    assert [words(statement) for statement in statements(text, grammar)] == expected


@pytest.mark.parametrize(
    ("grammar", "text"),
    [
        (INFLUXQL, "SELECT 'a"),
        (INFLUXQL, 'SELECT "a'),
        (INFLUXQL, "SELECT a /* b"),
        (INFLUXQL, "SELECT a /* /* */ DROP b */"),
        (INFLUXQL, "SELECT a WHERE b =~ /c"),
        (INFLUXQL, "SELECT a\x00; DROP b"),
        (INFLUXQL, "SELECT a \u037e DROP b"),  # the Greek question mark looks like a semicolon
        (INFLUXQL, "\u017fELECT a"),  # long s: upper() makes an S of it
        (CLICKHOUSE, "SELECT 'a''"),
        (CLICKHOUSE, "SELECT 'a\\"),
    ],
)
def test_what_cannot_be_told_is_undecidable(grammar: Grammar, text: str) -> None:
    with pytest.raises(Undecidable):
        list(lex(text, grammar))


def test_calls() -> None:
    (statement,) = statements('SELECT mean("x"), now () FROM "f" (y)', INFLUXQL)
    assert calls(statement) == {"MEAN", "NOW", "F"}


@given(st.text(alphabet="aS'\"`/*-#;\\\n ()~=", max_size=40), st.sampled_from((INFLUXQL, CLICKHOUSE, FLUX)))
def test_any_text_is_lexed_or_undecidable(text: str, grammar: Grammar) -> None:
    with suppress(Undecidable):
        statements(text, grammar)
