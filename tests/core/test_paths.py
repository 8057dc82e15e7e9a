from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core import paths
from proxy.errors import BadRequest


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/../../admin/tsdb/delete_series",
        "/api/v1/..%2f..%2fadmin",
        "/api/%2e%2e/admin",
        "/api/%2e%2e%2fadmin",
        "/api/..;/admin",
        "/api/..;x=1/admin",
        "/api/..\\admin",
        "/api/..%5cadmin",
        "/api/%252e%252e%252fadmin",
        "/api/%25252e%25252e/admin",
        "/api/./v1",
        "/..",
        "/api/%00",
        "/api/%0d%0aX: 1",
        "/api/\x7f",
        "/" + "%25" * 3 + "".join("%25" for _ in range(8)) + "2525252525252525252525252e",
    ],
)
def test_a_path_that_could_leave_the_base_is_refused(path: str) -> None:
    with pytest.raises(BadRequest):
        paths.check(path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1/query",
        "/api/v1/label/a%2Fb/values",
        "/a//b",
        "/%zz",
        "/v1.2/..x/x..",
        "/a%20b/%C3%A9",
    ],
)
def test_ordinary_paths_pass(path: str) -> None:
    paths.check(path)


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("/api/v1/query", "/api/v1/query"),
        ("/api/%76%31/query", "/api/v1/query"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%2Fb", "/a%2Fb"),
        ("/%7euser", "/~user"),
        ("/%zz%4", "/%zz%4"),
        ("/%%32F%41", "/%%32F%41"),
        ("/a%", "/a%"),
        ("//a", "//a"),
    ],
)
def test_canonical(raw: str, canonical: str) -> None:
    assert paths.canonical(raw) == canonical


@given(st.text(alphabet="aA%2356fFeE~-/", max_size=30), st.text(alphabet="aA%2356fFeE~-/", max_size=30))
def test_canonical_is_stable_and_keeps_the_meaning(path: str, other: str) -> None:
    once = paths.canonical(path)
    assert paths.canonical(once) == once
    assert unquote_to_bytes(once) == unquote_to_bytes(path)
    if once == paths.canonical(other):
        assert unquote_to_bytes(path) == unquote_to_bytes(other)
