"""Plain data from a file's text: variables, keys that stand twice, what is no YAML."""

from collections.abc import Mapping
from typing import Any

import pytest

from proxy.config.document import FAILED, parse
from proxy.errors import ConfigError

ENVIRON = {"HOST": "prometheus", "EMPTY": "", "DOLLAR": "a$b${HOST}"}


def read(text: str) -> tuple[Mapping[str, Any], list[tuple[str, str]]]:
    problems: list[tuple[str, str]] = []
    return parse(text, ENVIRON, problems), problems


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("http://${HOST}:9090", "http://prometheus:9090"),
        ("${HOST}${HOST}", "prometheusprometheus"),
        ("${PORT:-9090}", "9090"),
        ("${HOST:-other}", "prometheus"),
        ("${EMPTY}", ""),
        ("${EMPTY:-9090}", "9090"),  # as in a shell
        ("${PORT:-}", ""),
        ("${PORT:-http://a:1/b?c=d-e}", "http://a:1/b?c=d-e"),
        ("${DOLLAR}", "a$b${HOST}"),  # what a variable holds is not read again
        ("$${HOST}", "${HOST}"),
        ("$$$${HOST}", "$${HOST}"),
        ("a$$b", "a$b"),
        ("a$b, $HOST, 5$", "a$b, $HOST, 5$"),
    ],
)
def test_variables_are_filled_in(text: str, value: str) -> None:
    assert read(f"list: [{{key: '{text}'}}]") == ({"list": [{"key": value}]}, [])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("${PORT}", "PORT is not set"),
        ("${HOST}:${PORT}", "PORT is not set"),
        ("${}", "begins no variable"),
        ("${HOST", "begins no variable"),
        ("${HOST:9090}", "begins no variable"),
        ("${HOST-9090}", "begins no variable"),
        ("${PORT:-${HOST}}", "begins no variable"),
    ],
)
def test_what_is_no_variable_or_not_set_is_told_with_its_path(text: str, named: str) -> None:
    data, problems = read(f"list: [{{key: '{text}'}}]")
    assert data == {"list": [{"key": FAILED}]}
    [(path, problem)] = problems
    assert path == "list[0].key"
    assert named in problem


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n", "---\n", "\ufeff"])
def test_an_empty_file_is_an_empty_mapping(text: str) -> None:
    assert read(text) == ({}, [])


def test_anchors_and_merges_save_repetition() -> None:
    """A merged key may be overridden: that is no key that stands twice."""
    data, _ = read("deep: {er: &b {<<: &a {k: 1, l: 1}, k: 2}}\nagain: {<<: *b, k: 3}\n")
    assert data == {"deep": {"er": {"k": 2, "l": 1}}, "again": {"k": 3, "l": 1}}


@pytest.mark.parametrize(
    ("text", "where", "named"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1", "'a' stands twice"),
        ("list:\n- {uid: x, uid: y}\n", "line 2, column 12", "'uid' stands twice"),
        ("1: a\n'1': b\n", "line 2, column 1", "'1' stands twice"),
        ("a:\n\tb: 1\n", "line 2, column 1", "indent with spaces"),
        ("a: [1, 2\n", "line 2, column 1", "is not valid YAML"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1", "is not valid YAML"),
        ("a: !!python/object/apply:os.system [x]\n", "line 1, column 4", "is not valid YAML"),
        ("a: *nobody\n", "line 1, column 4", "is not valid YAML"),
        ("{[a]: 1}\n", "line 1, column 2", "is not valid YAML"),
        ("a: \x00\n", "", "is not valid YAML"),
        ("a: 2024-13-45\n", "", "in quotes"),
        ("- a\n- b\n", "", "must be a mapping of sections"),
        ("just a text\n", "", "must be a mapping of sections"),
        ("a: " + "[" * 5000, "", "nested too deeply"),
        ("a: &a [*a]\n", "", "refers to itself"),
    ],
)
def test_what_is_no_mapping_is_refused_with_its_place(text: str, where: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    [(path, problem)] = caught.value.problems
    assert path == where
    assert named in problem
    assert "\n" not in problem
