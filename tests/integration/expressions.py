"""PromQL of many kinds over the back-filled data, wrong ones too: a fixed list, more than 500 different texts."""

from itertools import product

_SELECTORS = [
    "demo_temp",
    'demo_temp{instance="a"}',
    'demo_temp{instance=~"a|b"}',
    'demo_temp{instance!="a",name="é ☃"}',
    "up",
    'up{instance=~".*"}',
    "demo_requests_total",
    'demo_requests_total{status=~"5.."}',
    "prometheus_http_request_duration_seconds_bucket",
    "no_such_metric",
]
_COUNTERS = [
    "demo_requests_total",
    'demo_requests_total{status="500"}',
    "prometheus_http_request_duration_seconds_bucket",
]
_WINDOWS = ["1m", "5m", "1h", "90s", "17m", "2m30s"]
_OVER_TIME = "avg sum min max count last stddev stdvar present".split()
_AGGREGATIONS = "sum avg min max count stddev stdvar group".split()
_MATH = "abs ceil floor exp ln log2 log10 round sgn sqrt deg rad sin cos".split()
_DATES = "minute hour day_of_week day_of_month day_of_year days_in_month month year".split()


def expressions() -> list[str]:
    texts = list(_SELECTORS)
    texts += [f"{selector} offset {offset}" for selector, offset in product(_SELECTORS, ("1m", "1h", "-5m"))]
    texts += [
        f"{name}_over_time({selector}[{window}])"
        for name, selector, window in product(_OVER_TIME, _SELECTORS[:3], _WINDOWS)
    ]
    texts += [
        f"{name}({counter}[{window}])"
        for name, counter, window in product(("rate", "irate", "increase", "resets", "changes"), _COUNTERS, _WINDOWS)
    ]
    texts += [
        f"{name}(demo_temp[{window}])"
        for name, window in product(("delta", "idelta", "deriv", "absent_over_time"), _WINDOWS)
    ]
    texts += [
        f"{name} by ({label}) ({selector})"
        for name, label, selector in product(_AGGREGATIONS, ("instance", "job, status"), _SELECTORS[:8:2])
    ]
    texts += [f"{name} without (instance) (rate(demo_requests_total[5m]))" for name in _AGGREGATIONS]
    texts += (
        [f"{name}(demo_temp)" for name in _MATH]
        + [f"{name}()" for name in _DATES]
        + [f"{name}(vector(time()))" for name in _DATES]
    )
    texts += [f"{name}({k}, {selector})" for name, k, selector in product(("topk", "bottomk"), (1, 3), _SELECTORS[:7])]
    texts += [f"quantile({q}, demo_temp)" for q in (0, 0.5, 0.99, 1.5)]
    texts += [f"quantile_over_time({q}, demo_temp[5m])" for q in (0, 0.5, 0.99)]
    texts += [
        f"histogram_quantile({q}, sum by (le) (rate(prometheus_http_request_duration_seconds_bucket[{w}])))"
        for q, w in product((0.5, 0.9, 0.99), _WINDOWS)
    ]
    texts += [f"demo_temp {operator} 20" for operator in "+ - * / % ^ == != > < >= <=".split()]
    texts += [f"demo_temp {operator} on (instance) up" for operator in "+ - * / and or unless".split()]
    texts += [f"demo_temp {operator} bool 21" for operator in "== != > < >= <=".split()]
    texts += [f"sum(demo_requests_total) {operator} sum(up)" for operator in "+ - * /".split()]
    texts += [
        f"max_over_time(rate(demo_requests_total[{window}])[30m:{step}])"
        for window, step in product(("1m", "5m"), ("1m", "90s", ""))
    ]
    texts += [f"demo_temp @ {at}" for at in ("1795396425", "start()", "end()")]
    texts += [f"sum(rate(demo_requests_total[5m] @ {at}))" for at in ("1795396425", "start()", "end()")]
    texts += [
        "absent(no_such_metric)", "absent(up)", "scalar(sum(up))", "vector(1)", "time()", "timestamp(demo_temp)", "1", "1e3 + 0x1f",
        "-demo_temp", '"a string"', "sort(demo_temp)", "sort_desc(demo_temp)", 'count_values("value", up)', "clamp(demo_temp, 19, 21)",
        'label_replace(up, "host", "$1", "instance", "(.*)")', 'label_join(up, "x", "-", "job", "instance")', "holt_winters(demo_temp[10m], 0.5, 0.5)",
        "predict_linear(demo_temp[10m], 600)", "demo_temp # a comment", "sum(\n  demo_temp\n)", "{__name__=~\"demo_.+\"}", "clamp_max(demo_temp, 20)",
        "up * on (instance) group_left (name) demo_temp", "demo_temp + ignoring (name) group_right up", "sum(demo_temp) by (instance)", "pi() * 2",
        "NaN", "+Inf", "-Inf", "demo_temp > NaN", "avg_over_time(demo_temp[1h:5m] offset 10m)", "stddev_over_time(up[1h:])", "demo_requests_total[5m]",
    ]  # fmt: skip
    texts += [
        "demo_temp{", "sum(", "rate(demo_temp)", "nonsense(1)", "demo_temp + on () up", "1 +", "topk(demo_temp)", "", "'unterminated",
        "demo_temp offset", "{}", "demo_temp[0s]", "label_replace(up, \"a b\", \"\", \"\", \"(\")", "demo_temp @ nowhere", "\u2603",
    ]  # fmt: skip
    return list(dict.fromkeys(texts))
