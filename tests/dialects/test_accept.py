import pytest
from multidict import CIMultiDict

from proxy.dialects.accept import JSON, PROTOBUF, accept_class


def accepts(*values: str) -> str:
    return accept_class(CIMultiDict([("Accept", value) for value in values]))


@pytest.mark.parametrize(
    "value",
    [
        "*/*",
        "application/json",
        "application/json, text/plain, */*",
        "Application/JSON; charset=utf-8",
        "application/json;q=0.9, */*;q=0.8",
        "text/plain;q=0.1, application/json",
    ],
)
def test_what_a_server_answers_in_json_is_one_class(value: str) -> None:
    assert accepts(value) == accepts() == JSON


@pytest.mark.parametrize(
    "value",
    [
        "text/html, application/json",
        "application/json;q=0.1, application/protobuf",  # the server sends what weighs most
        "application/json;q=0, text/csv",
        "application/json;q=0",
        "application/json;q=x",
        "application/json;version=2",
        "text/csv",
        "application/vnd.apache.parquet",
    ],
)
def test_what_it_could_answer_otherwise_is_not(value: str) -> None:
    assert accepts(value) not in (JSON, PROTOBUF)


def test_protobuf_alone() -> None:
    assert accepts("application/protobuf") == PROTOBUF
    assert accepts("application/protobuf, */*") != PROTOBUF


def test_lines_are_one_list() -> None:
    assert accepts("text/csv", "application/json") == accepts("text/csv, application/json") != JSON
