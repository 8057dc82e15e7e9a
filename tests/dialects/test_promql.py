import re
from itertools import chain

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from proxy.dialects import promql
from proxy.dialects.promql import AGGREGATIONS, FUNCTIONS, ROLLUPS, Sliceable, sliceable
from tests.integration.expressions import expressions

from .recordings import recorded_queries

SAFE = [
    "up", "1", "1e3 + 0x1f", "NaN", "-Inf", "pi()", "time()", "minute()", "vector(time() - 3600)", "5m", "x > 1h30m",
    "start", "end", "range + step", "offset5m", "rate", "sum", "rate{a='b'}", "start offset 5m", "limit", "on_call",
    "smoothed_total", "x:offset:rate5m", "offset_total", "{__name__='limitk'}", "{'start()'}", "rate(x[5m])",
    "rate(x[5m]offset 5m)", "rate (x [5m] offset 5m)", "rate(x[300])", "rate(x[5m:1m])",
    "max_over_time(rate(x[5m])[1h:])", "sum(x) OFFSET 5m", "x OFFSET 1h30m", "x offset 300", "x offset 1.5",
    "x offset 5m - y", "x offset 1h-y", "x - x offset 1d", "x offset\n# of a day\n1d", "SUM(x)", "Sum BY (a) (x)",
    "sum(x) WITHOUT (a)", "sum by () (x)", "topk by (a) (1, x)", "bottomk(1, x)", "count_values('v', x)",
    "quantile(.5, x)", "sum by ('a.b', start, end) (x)", "a and b or c unless d", "a AND (b) Or (c) UNLESS (d)",
    "a atan2 (b)", "a == bool (b)", "a * on (x) group_left (y) b", "a / ignoring (x) group_right b",
    "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))", "label_replace(x, 'a', '$1', 'b', '(.*)')",
    "label_join(x, 'a', '-', 'b')", "sort_desc(x)", "sort_by_label(x, 'a')", "absent(x{a='b'})", "scalar(sum(x))",
    "clamp(x, 0, 1)", "round(x, 5)", "predict_linear(x[1h], -3600)", "holt_winters(x[5m], 0.5, 0.5)",
    "double_exponential_smoothing(x[5m], 0.5, 0.5)", "mad_over_time(x[5m])", "ts_of_max_over_time(x[5m])",
    "timestamp(x)", "histogram_fraction(0, 1, x)", "x # @ end()", "x # ' \n + y", "x # \"\r\n + y", "'@ end()'",
    '"offset -5m"', "`limitk(1, x)`", 'x{a="@ end()"}', "x{a='\"', b=\"'\"}", r'x{a="\" offset -5m"}', r"x{a='\\'}",
    r'x{a=~"\\d+"}', r"x{a=~`\d+`}", "x{a=`#`} + y", "x{smoothed='a', offset='b', start!='c'}", "x{a='\u2028é'}",
    "rate({__name__='x'}[5m])", "rate({ 'x.y', a='b'}[5m])", "rate({\n__name__ = `x`}[5m])", "sum({job='a'})",
    "{a='b'} - 5", "{a='b'} > -5", "-5 * {a='b'}", "-rate(x[5m])", "-x", "x - (y or z)", "(x or y) - z",
    "rate(x[5m]) or rate(y[5m])", "max_over_time((x or vector(0))[1h:])", "-(x or\nvector (0))", "x or y - 1",
    "((((x))))", "sum(\n  x\n)", "x</y", "(x)", "-x ^ +2", "x[5m]", "x{}", "1 +", "x y", "rate()", "sum() by", "@ 5",
]  # fmt: skip
"""The last ones are errors, which Prometheus may tell itself."""


@pytest.mark.parametrize("text", SAFE)
def test_each_point_depends_on_its_own_time_alone(text: str) -> None:
    assert sliceable(text) == Sliceable(5000 if text.startswith("@") else None)


UNSAFE = {
    "the range's start or end": [
        "x @ start()", "x @ end()", "x @end()", "x@end()", "x @ END()", "x @ Start ( )", "x @ # comment\nend()",
        "x @\r\n#c\r\nstart # (\n ()", "x @ start", "rate(x[5m] @ end())", "sum(x @ end() offset 5m)",
        "rate(x[5m]@start()offset 5m)", "max_over_time((x @ end())[5m:1m])", "start()", "end ( )", "end # (\n()",
        "x - start()", "range()", "x * step()", "time() - end()", "vector(start())", "(x) > bool (end())",
        "x{a='\\\\'} @ end() # '}", "x{a=`\\`} @ end() # `}", 'x + on("\\"") y @ end() # ")', "x # '\n @ end() # '",
        "x #\n@ end()", "'a' + x @ end() + 'b'",
    ],
    "an instant that is not a plain number": [
        "x @ -5", "x @ +5", "x @ 5m", "x @ 0x10", "x @ 010", "x @ 1_000", "x @ inf", "x @ NaN", "x @ Inf", "x @ 1e400",
        "x @ 1e19", "x @ (5)", "x @", "x @ @ 5", "x @ 'a'", "x @ y", "x @ time()", "x @ 00.5", "x @ 5 @ -5",
    ],
    "a look ahead": [
        "x offset -5m", "x offset - 5m", "x OFFSET -5m", "x Offset\t-\n5m", "x offset # c\n -5m",
        "rate(x[5m]offset-5m)", "rate(x[5m] offset -5m)", "rate(x[5m:1m] offset -5m)", "(x offset -5m)",
        "x offset(-5m)", "x offset (5m)", "x offset +5m", "x offset -1", "x offset step()", "x offset -step()",
        "x offset min(5m, -1h)", "x offset", "x offset x", "x offset offset 5m", "x offset @ 5", "x offset '5m'",
        "offset", "sum by (offset) (x)", "offset{a='b'}",
    ],
    "arithmetic of durations": [
        "x[5m+1m]", "x[-5m]", "x[(5m)]", "x[step()]", "x[5m:step()]", "x[range()]", "x[5m:1m-1s]", "x[min(step(),5m)]",
        "x[5m * 2:]", "x[1h ^ 2]",
    ],
    "a modifier that looks ahead or is too new": [
        "rate(x[5m] smoothed)", "rate(x[5m] SMOOTHED)", "increase(x[5m]anchored)", "x smoothed", "a + fill(0) b",
        "a + on (x) fill_left (0) b", "a + fill_right(0) b", "sum by (smoothed) (x)",
    ],
    "a label that may be no UTF-8": [
        r"""label_replace(x, 'a', "\xff", '', '')""", r"""label_replace(x, 'a', '\377', '', '')""",
        r"""label_join(x, 'a', "\xC3", 'b')""",
    ],
    "a choice among series": [
        "limitk(1, x)", "LIMITK(1, x)", "sum(limitk(1, x))", "limitk by (a) (1, x)", "limit_ratio(0.5, x)",
        "limit_ratio without (a) (0.5, x)", "limitk # c\n (1, x)",
    ],
    "a function that is not known": [
        "info(x)", "nonsense(x)", "Rate(x[5m])", "RATE(x[5m])", "Time()", "histogram_quantiles(x, 'q', .5, .9)",
        "integral(x[5m])", "now()", "sum(nonsense(x))", "nonsense by (a) (x)", "nonsense\n(x)",
        "smooth_exponential(x, 1)", "x:sum(y)", "offset5m(x)",
    ],
    "where the range starts": [
        "predict_linear(x[1h] @ 5, 60)", "x @ 5 + predict_linear(y[1h], 60)", "predict_linear(x[1h:] @ 5, 60)",
    ],
    "what of several names is in the range": [
        "rate({__name__=~'a|b'}[5m])", "rate({job='a'}[5m])", "sum(rate({__name__!='a'}[5m]))", "-{job='a'}",
        "1 + -{job='a'}", "rate(x[5m]) and {job='a'}", "rate(x[5m]) > bool {job='a'}", "max_over_time({a='b'}[1h:])",
        "-(x or y)", "(x - -(x or y))", "x or -y", "x OR -y", "max_over_time((x or y)[1h:])", "-(x or vector)",
        "rate({a='b', __name__='x'}[5m])", "rate({__name__ =~ 'x'}[5m])", "rate({}[5m])", "- {job='a'}[5m]",
    ],
    "no known text": [
        "", " ", "\n", "# x", "(", ")", "x)", "(x", "x)(", "((x)", "x{", "x}", "x{a='b'", "x[", "x]", "x[5m", "x[]",
        "x[5m][5m", "x{a='b}", "'x", '"x', "`x", '"x\n"', "x;y", "$x", "x[$__interval]", "x\\", "x=1", "x!y", "x=~'a'",
        "é", "x + é", "x\xa0", "\ufeffx", "x\x00", "x\x0c", "x{a=b(c)}", "x{a@b}", "5foo", "1.5h", "5m5", "0b1",
        "foo.bar", "x # \r @ end()", "'\ud800'", "{\udc80='a'}", "(x)[5m]", "rate(sum(x)[5m])",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("reason", "text"), [(reason, text) for reason, texts in UNSAFE.items() for text in texts])
def test_a_point_may_depend_on_something_else(reason: str, text: str) -> None:
    assert sliceable(text) is None, reason


@pytest.mark.parametrize(
    ("text", "pinned_ms"),
    [
        ("x @ 1795396425", 1795396425000),
        ("x@0", 0),
        ("x @ 1.5", 1500),
        ("x @ .25", 250),
        ("x @ 5.", 5000),
        ("x @ 1e9", 1000000000000),
        ("x @ 1.7E+9", 1700000000000),
        ("x @ 25e-1", 2500),
        ("x @ 0.0004", 0),
        ("x @ 0.0005", 1),
        ("x @ 0.0015", 2),
        ("x @ 0.00049999999999999999", 1),  # no float is nearer to it than 0.0005
        ("x @ # now\n 5", 5000),
        ("x @ 5 offset 1h", 5000),
        ("x offset 1h @ 5", 5000),
        ("x @ 5 - 3", 5000),
        ("x @ 3 + y @ 7 + z @ 5", 7000),
        ("max_over_time(rate(x[5m] @ 9)[1h:] @ 3)", 9000),
        ("x @ 9223372036854774", 9223372036854773760),
    ],
)
def test_the_latest_instant_that_is_named(text: str, pinned_ms: int) -> None:
    assert sliceable(text) == Sliceable(pinned_ms)


def test_which_of_the_many_expressions_are_not_sliceable() -> None:
    assert {text for text in expressions() if sliceable(text) is None} == {
        *(f"{selector} offset -5m" for selector in expressions()[:10]),
        *(f"demo_temp @ {at}" for at in ("start()", "end()", "nowhere")),
        *(f"sum(rate(demo_requests_total[5m] @ {at}))" for at in ("start()", "end()")),
        "demo_temp{", "sum(", "nonsense(1)", "", "'unterminated", "demo_temp offset", "\u2603",
    }  # fmt: skip


def test_what_real_clients_asked_for() -> None:
    texts = recorded_queries(logs=False)
    assert len(texts) > 5
    assert [sliceable(text) for text in texts] == [Sliceable(None)] * len(texts)


def test_no_name_is_in_two_tables() -> None:
    tables = [FUNCTIONS, ROLLUPS, AGGREGATIONS, promql.KEYWORDS, promql.UNSAFE_WORDS]
    assert sum(map(len, tables)) == len(frozenset().union(*tables))


INSERTED = [
    " @ end() ", " @start() ", " @ -5 ", " offset -5m ", " offset (5m) ", " limitk(1, x) ",
    " limit_ratio by (a) (1, x) ", " smoothed ", " info(x) ", " step() ", " é ", " $ ", " \\ ", " ; ", " [5m + 1m] ",
    " [ ", " { ", " ( ", " ) ", " 'a\n' ", " 1.5h ", "# \r end()\n",
]  # fmt: skip
OPAQUE = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|\#[^\r\n]*|\{[^}]*\})""")
"""Strings and comments, and braces, where only other names may stand; good enough for the safe texts of this file."""


@given(st.sampled_from(SAFE), st.sampled_from(INSERTED), st.data())
def test_what_is_unsafe_is_found_anywhere(text: str, inserted: str, data: st.DataObject) -> None:
    parts = [*OPAQUE.split(text)]
    number = data.draw(st.sampled_from(range(0, len(parts), 2)))
    at = data.draw(st.integers(0, len(parts[number])))
    if number and parts[number - 1].startswith("#"):
        at = max(at, 1 + parts[number].startswith("\r\n"))  # after the end of the comment's line
    assume(at <= len(parts[number]))
    parts[number] = parts[number][:at] + inserted + parts[number][at:]
    assert sliceable("".join(parts)) is None, "".join(parts)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from([*chain(*UNSAFE.values())]))
@example('\\" @ end()')
@example("\\")
def test_strings_and_comments_hide_anything(text: str) -> None:
    text = re.sub(r"[\ud800-\udfff]", "", text)
    line = re.sub(r"[\r\n]", " ", text)
    assert sliceable(f"x{{a={quoted(text)}}}") == Sliceable(None)
    assert sliceable(f"label_replace(x, 'a', {quoted(text)}, 'b', `{text.replace('`', '')}`)") == Sliceable(None)
    assert sliceable(f"x # {line}") == Sliceable(None)
    assert sliceable(f"sum( # {line}\n x # {line}\r\n)") == Sliceable(None)


def test_long_texts_are_decided_too_but_not_remembered() -> None:
    long = "x + " * promql.REMEMBERED_CHARS
    before = promql._remembered.cache_info().currsize
    assert sliceable(long[: promql.REMEMBERED_CHARS] + "x # " + long) == Sliceable(None)
    assert sliceable(long[: promql.REMEMBERED_CHARS] + "x @ end() # " + long) is None
    assert promql._remembered.cache_info().currsize == before
