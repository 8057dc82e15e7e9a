import pytest

from proxy.dialects import promql
from proxy.dialects.metricsql import sliceable
from proxy.dialects.promql import Sliceable
from tests.integration.expressions import expressions

from .test_promql import UNSAFE

SAFE = [
    "up", "up{a='b' , c=~`\\d+`}", "time()", "sum(up) by (a)", "sum by (a) (avg_over_time(x[5m]))",
    "avg_over_time(x[5m])", "avg_over_time(x[300] offset 1h)", "last_over_time(x{a='b'}[1h] @ 5)", "deriv((x)[5m:1m])",
    "max_over_time(avg_over_time(x[5m])[1h:])", "quantile_over_time(0.9, x[5m])", "quantile_over_time(1 - 0.1, x[5m])",
    "predict_linear(x[1h], -3600 + 5)", "quantile(0.9, x)", "quantile by (a) (0.9, x)", "quantile(0.9, x) by (a)",
    "count_values('v', x)", "a / on (b, c) group_left (d, e) f", "a > bool (b)", "a and on (b) (c)", "(a) unless (b)",
    "clamp(x, 0, 1)", "label_replace(x, 'a', '$1', 'b', '(.*)')", "max_over_time((a + on (b, c) d)[5m:1m])",
    "absent(up)", "(x - x offset 1h)", "5m", "x > 1h - 5m",
]  # fmt: skip


@pytest.mark.parametrize("text", SAFE)
def test_what_victoriametrics_does_point_by_point(text: str) -> None:
    assert sliceable(text) == promql.sliceable(text) == Sliceable(5000 if "@ 5" in text else None)


UNSAFE_HERE = {
    "it works on whole series": [
        "sgn(x)", "bottomk(1, x)", "topk(1, x)", "topk by (a) (3, x)",
        "sort(x)", "sort_desc(x)", "sort_by_label(x, 'a')", "a or b", "a OR b", "scalar(x)",
        "timestamp(x)", "timestamp(x[5m])", "histogram_quantile(0.9, x)", "histogram_fraction(0, 1, x)",
        "running_sum(x)", "range_avg(x)", "keep_last_value(x)", "interpolate(x)", "topk_avg(1, x)", "outliersk(1, x)",
        "any(x)", "any by (a) (x)", "limit_offset(1, 1, x)", "now()", "union(a, b)", "smooth_exponential(x, 1)",
        "step()", "drop_empty_series(x)",
    ],
    "a rollup derives its window from the data": [
        "avg_over_time(x)", "sum(avg_over_time(x))", "last_over_time(x{a='b'} offset 5m)", "avg_over_time((x[5m]))",
        "avg_over_time(avg_over_time(x[5m]))", "quantile_over_time(0.5, x)", "quantile_over_time(x[5m], y)",
        "predict_linear(x, 5)", "predict_linear(x, y[5m])", "avg_over_time()", "avg_over_time(sum(x)[5m])",
        "avg_over_time((x)[5m])", "avg_over_time(x[5m] + y)", "avg_over_time(y + x[5m])", "avg_over_time(-x[5m])",
        "avg_over_time(x[5m] and y)", "avg_over_time(x[5m], y[5m])", "avg_over_time(x[5m])[5m]", "x[5m]", "x[5m:]",
        "sum(x[5m])", "abs(x[5m:1m])", "avg_over_time(x[5m][1m])", "(x[5m])", "clamp(x, y[5m], 1)",
    ],
    "a rollup sees the sample before its window": [
        "rate(x[5m])", "irate(x[5m])", "increase(x[5m])", "delta(x[5m])", "idelta(x[5m])", "changes(x[5m])",
        "resets(x[5m])", "holt_winters(x[5m], 0.5, 0.5)", "sum by (a) (rate(x[5m]))", "max_over_time(rate(x[5m])[1h:])",
    ],
    "it is no PromQL": [
        "WITH (a = b) a", "with (f(x) = now() - x) f(5)", "sum_over_time(x[5m]) keep_metric_names", "sum(x) limit 5",
        "sum(x) by (a) LIMIT 5", "a if b", "a ifnot b", "a default 0", "a Default b",
        "a * on (b) group_left (c) prefix 'd' e", "(a, b)", "sum(a, b)", "sum by (c) (a, b)", "sum((a, b))",
        "a and (b, c)", "a > bool (b, c)", "a + on (b) (c, d)", "quantile by (a) (1, x) + on (b) (c, d)",
        "a == bool on (b) (c, d)", "ru(a, b)", "ttf(a)", "alias(a, 'b')", "range_median(a)", "sum_over_time(x[5i])",
        "x + 1Ki", "x offset 5i", "x offset 1.5h", "{a='b' or c(d)}", "foo.bar", "foo\\-bar", "é", "x @ (end() - 5)",
        "x @ y",
    ],
    "a duration that is negative here": ["x offset 1h-2h", "x offset 1h-.5h", "x > 1h-2h", "x offset 5m-y"],
    "a backslash before a backtick": ["label_replace(x, `a\\`, `, now(), `)", "x{a=`\\`} + y", "x{a=`\\\\`} + y"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "text"), [(reason, text) for reason, texts in UNSAFE_HERE.items() for text in texts]
)
def test_what_it_does_not(reason: str, text: str) -> None:
    assert sliceable(text) is None, reason


def test_what_is_unsafe_in_promql_is_here() -> None:
    assert [text for texts in UNSAFE.values() for text in texts if sliceable(text)] == []


def test_which_of_the_many_expressions_it_does_otherwise_than_prometheus() -> None:
    before = ("rate(", "irate(", "increase(", "resets(", "changes(", "delta(", "idelta(", "holt_winters(")
    known = (*before, "bottomk", "topk", "histogram_quantile")
    otherwise = {text for text in expressions() if promql.sliceable(text) and not sliceable(text)}
    assert {text for text in otherwise if not any(name in text for name in known)} == {
        "demo_temp or on (instance) up", "scalar(sum(up))", "timestamp(demo_temp)", "sort(demo_temp)", "sgn(demo_temp)",
        "sort_desc(demo_temp)", "demo_requests_total[5m]", "demo_temp[0s]",
    }  # fmt: skip
