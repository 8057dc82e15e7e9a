import re
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.logql import sliceable
from proxy.dialects.promql import Sliceable

from .recordings import recorded_queries

SAFE = [
    'rate({a="b"}[5m])', 'RATE({a="b"}[5m])', 'sum(rate({a="b"}[5m]))',
    'sum by (a, b) (count_over_time({a="b", c!~`d`}[1h30m]))', 'sum(count_over_time({a="b"}[5m])) without (c)',
    'bytes_rate({a="b"}[5m] offset 1h)', 'bytes_over_time({a="b"}[5m]offset 1h)', 'rate({a="b"} |= "offset -5m" [5m])',
    'rate(({a="b"} != `@` |~ "c.*" !~ "d" |> "<_> e" !> `f` | json)[5m])',
    'count_over_time({a="b"} |= ip("10.0.0.0/8") | addr = ip("::1") [5m])',
    'count_over_time({a="b"} | logfmt --strict --keep-empty | level="error" or (level=~"w.*" and dur > 1h30m) [5m])',
    'count_over_time({a="b"} |= "x" or "y" | duration >= 1.5s, size < 20KB, n == 1e3, k <= 3.5MiB [5m])',
    'sum_over_time({a="b"} | logfmt | unwrap duration_seconds(took) | __error__="" [5m]) by (c)',
    'avg_over_time({a="b"} | json x="y.z" | unwrap bytes(size) [5m])',
    'quantile_over_time(0.99, {a="b"} | pattern "<x> <_>" | unwrap duration(x) [5m]) by (c)',
    'max_over_time({a="b"} | regexp `(?P<n>\\d+)` | unwrap n [5m])',
    'first_over_time({a="b"} | unpack | unwrap x [5m])', 'rate_counter({a="b"} | unwrap x [5m])',
    'absent_over_time({a="b"}[5m])', 'count_over_time({a="b"} | drop x, y="z" | keep w | decolorize [5m])',
    'count_over_time({a="b"} | line_format "{{.x}} {{.y}}" | label_format x=y, z="{{ .x | lower }}" [5m])',
    'rate({a="b"}[5m]) / on (c) group_left (d) rate({e="f"}[5m])', 'rate({a="b"}[5m]) or vector(0)',
    'sum(rate({a="b"}[5m])) > bool 5', 'label_replace(rate({a="b"}[5m]), "x", "$1", "y", "(.*)")',
    '1 - (rate({a="b"}[5m])) * 2 ^ -1', 'stddev by (a) (rate({a="b"}[5m]))', '# topk(\nrate({a="b"}[5m]) # now',
    'rate({a="@"}[5m])', 'rate({a="\\"}[5m]) now("}[5m])',
    'count_over_time({a="b"} | rate > 5 | topk="x" | label_format y=rate [5m])', 'rate({a="b"} |= "now" [5m])',
    'sum by (level, detected_level) (count_over_time({job="x"} |= `y` | json | logfmt | drop __error__[15s]))',
    'min(max(avg(count(rate({a="b"}[5m])))))', 'rate({a="b"}[5m] | json)',
]  # fmt: skip


@pytest.mark.parametrize("text", SAFE)
def test_a_metric_query_whose_points_depend_on_their_own_time_alone(text: str) -> None:
    assert sliceable(text) == Sliceable(None)


UNSAFE = {
    "lines, not numbers": [
        '{a="b"}', '{a="b"} |= "rate(x[5m])"', '({a="b"})', '({a="b"} | json)', ' # c\n {a="b"} | rate > 5',
        '{a="b"} + rate({a="b"}[5m])',
    ],
    "no aggregation over a range": [
        "vector(1)", "1 + 1", "sum(vector(1))", 'sum({a="b"})', 'rate({a="b"})', "rate", "rate()",
    ],
    "a look ahead": [
        'rate({a="b"}[5m] offset -5m)', 'rate({a="b"}[5m] OFFSET - 5m)', 'rate({a="b"}[5m]offset-5m)',
        'rate({a="b"}[5m] offset # c\n -5m)', 'rate({a="b"}[5m] offset 300)', 'rate({a="b"}[5m] offset 1.5h)',
        'rate({a="b"}[5m] offset (5m))', 'rate({a="b"}[5m] offset)', 'sum by (offset) (rate({a="b"}[5m]))',
        'rate({a="b"}[5m] offset 5KB)',
    ],
    "no part of LogQL": [
        'rate({a="b"}[5m] @ 5)', 'rate({a="b"}[5m] @ end())', 'max_over_time(rate({a="b"}[5m])[1h:])',
        'rate({a="b"}[5m:1m])', "rate({a='b'}[5m])", "sum(rate({a=\"b\"}[5m])) + 'c'",
    ],
    "a choice among series, or their order": [
        'topk(5, rate({a="b"}[5m]))', 'TOPK(5, rate({a="b"}[5m]))', 'bottomk by (a) (5, rate({a="b"}[5m]))',
        'topk without (a) (5, rate({a="b"}[5m]))', 'approx_topk(5, rate({a="b"}[5m]))', 'sort(rate({a="b"}[5m]))',
        'sort_desc(rate({a="b"}[5m]))', 'sum(topk # c\n (5, rate({a="b"}[5m])))',
    ],
    "what is not known": [
        'variants(rate({a="b"}[5m])) of ({a="b"}[5m])', 'sum(variants(rate({a="b"}[5m])) of ({a="b"}[5m]))',
        'nonsense(rate({a="b"}[5m]))', 'count_values("x", rate({a="b"}[5m]))', 'scalar(rate({a="b"}[5m]))',
        'rate({a="b"} | nonsense [5m])', 'rate({a="b"} | nonsense x [5m])', 'rate({a="b"} | nonsense(x) [5m])',
        'rate({a="b"} | distinct x [5m])', 'rate({a="b"} | unwrap nonsense(x) [5m])',
        'rate({a="b"} | json | limit 5 [5m])', 'now() + rate({a="b"}[5m])',
    ],
    "a template may ask for the time": [
        'count_over_time({a="b"} | label_format x="{{ now }}" [5m])',
        'count_over_time({a="b"} | line_format `{{ now | unixEpoch }}` | unwrap x [5m])',
        'rate({a="b"} | LINE_FORMAT "{{ now }}" [5m])', 'rate({a="b"} | label_format x="{{ n\\x6fw }}" [5m])',
        'rate({a="b"} | label_format x=`{{ date "2006" "x" }}` [5m])',
        'rate({a="b"} | line_format "\\u007b{ .x }}" [5m])',
    ],
    "a comment in Go's way hides what follows": [
        'rate({a="b"}[5m]) // `\n offset -5m // `', 'rate({a="b"}[5m] /* ` */ offset -5m /* ` */)',
        'rate({a="b"}[5m]) //',
    ],
    "no known text": [
        "", " ", 'rate({a="b"}[5m]', 'rate({a="b"}[5m]))', ')rate({a="b"}[5m](', 'rate({a="b"[5m])', 'rate({a="b"}[5m)',
        'rate({a="b}[5m])', 'rate({a="b"}[])', 'rate({a="b"}[$__interval])', 'rate({a="b"}[-5m])',
        'rate({a="b"}[5m]) é', '\ufeffrate({a="b"}[5m])', 'rate({a="\udcff"}[5m])', 'rate({a="b"}[5m]) # \r + topk(5)',
        'rate({a="b"}[5m]) $x', 'rate({a="b"}[5m]) > 5x', 'rate({a="b"} |= "c\n" [5m])',
    ],
}  # fmt: skip


@pytest.mark.parametrize(("reason", "text"), [(reason, text) for reason, texts in UNSAFE.items() for text in texts])
def test_other_queries(reason: str, text: str) -> None:
    assert sliceable(text) is None, reason


def test_what_real_clients_asked_for() -> None:
    texts = recorded_queries(logs=True)
    assert texts == ['sum(rate({job="x"}[5m]))']
    assert sliceable(texts[0]) == Sliceable(None)


INSERTED = [
    " offset -5m ",
    " topk(5, x) ",
    " nonsense by (x) (y) ",
    " | nonsense | json ",
    " @ end() ",
    " // ",
    " /* ",
    " ' ",
    " é ",
    " ( ",
    " ) ",
    " { ",
    " [ ",
    "#\r",
]
OPAQUE = re.compile(r'("(?:[^"\\]|\\.)*"|`[^`]*`|\#[^\r\n]*\n?|\{(?:"(?:[^"\\]|\\.)*"|`[^`]*`|[^}"`])*\})')


@given(st.sampled_from(SAFE), st.sampled_from(INSERTED), st.data())
def test_what_is_unsafe_is_found_anywhere(text: str, inserted: str, data: st.DataObject) -> None:
    parts = OPAQUE.split(text)
    if parts[-1] == "" and parts[-2].startswith("#"):
        del parts[-1]
    number = data.draw(st.sampled_from(range(0, len(parts), 2)))
    at = data.draw(st.integers(0, len(parts[number])))
    parts[number] = parts[number][:at] + inserted + parts[number][at:]
    assert sliceable("".join(parts)) is None, "".join(parts)


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from([*chain(*UNSAFE.values())]))
def test_strings_and_comments_hide_anything(text: str) -> None:
    text = re.sub(r"[\ud800-\udfff]", "", text)
    line = re.sub(r"[\r\n]", " ", text)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    raw = text.replace("`", "")
    assert sliceable(f'rate({{a="{escaped}"}} |= "{escaped}" != `{raw}` [5m]) # {line}') == Sliceable(None)
    assert sliceable(f'# {line}\nrate( # {line}\r\n{{a="b"}}[5m])') == Sliceable(None)
