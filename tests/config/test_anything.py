"""Whatever a file holds, loading it gives a configuration that can be printed, or says what is wrong."""

import math
from typing import Any, get_type_hints

import msgspec
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.config.dump import dump
from proxy.config.load import Flags, load
from proxy.config.schema import Auth, Caching, Config, Redis, Section, Server, Source, Telemetry
from proxy.errors import ConfigError

from .loading import Loading

TEXTS = st.sampled_from(
    [
        "",
        "5m",
        "http://a",
        "redis://[",
        "http://[",
        "a:1",
        "${A}",
        "${",
        "$$",
        "true",
        "\x85",
        "é",
        "(",
        "~",
        "9" * 5000,
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.text(max_size=5) | st.dates()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(SCALARS, inner, max_size=2), max_leaves=4
)


def sections(kind: type[Section]) -> st.SearchStrategy[Any]:
    """Its keys, some of them, with values of their own kind or of any."""
    hints = get_type_hints(kind)
    entries: dict[str, st.SearchStrategy[Any]] = {}
    for field in msgspec.structs.fields(kind):
        hint: Any = hints[field.name]
        inner = next((one for one in (hint, *getattr(hint, "__args__", ())) if isinstance(one, type)), None)
        value = VALUES
        if inner is not None and issubclass(inner, Section):
            value = VALUES | sections(inner) | st.lists(sections(inner), max_size=2)
        entries[field.encode_name] = value
        entries[f"{field.encode_name}_file"] = VALUES
    return st.fixed_dictionaries({}, optional=entries)


FILES = st.one_of(
    VALUES,
    sections(Config),
    st.fixed_dictionaries({"server": sections(Server)}),
    st.fixed_dictionaries({"caching": sections(Caching)}),
    st.fixed_dictionaries({"caching": st.fixed_dictionaries({"redis": sections(Redis)})}),
    st.fixed_dictionaries({"auth": sections(Auth)}),
    st.fixed_dictionaries({"datasources": st.tuples(sections(Source)).map(list)}),
    st.fixed_dictionaries({"telemetry": sections(Telemetry)}),
)


def attempt(file_name: str) -> Config | ConfigError:
    try:
        return load(Flags(config=file_name), {"HOME": "/home/me"}).config
    except ConfigError as error:
        return error


@given(data=FILES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_it_is_a_configuration_or_an_error_with_its_places(loading: Loading, data: Any) -> None:
    config = attempt(loading.write("any.yaml", yaml.safe_dump(data, allow_unicode=True)))
    if isinstance(config, ConfigError):
        assert config.problems
        assert all(text for _, text in config.problems)
        return
    assert math.isfinite(config.caching.max_value_mb + config.caching.memory.max_size_mb)
    again = attempt(loading.write("shown.yaml", dump(config)))
    assert isinstance(again, Config)
    assert again.server == config.server
