import pytest

from proxy.web.front_path import SubPath


@pytest.mark.parametrize(
    ("url", "configured", "path"),
    [
        ("http://g:3000", None, ""),
        ("http://g:3000/", None, ""),
        ("http://g:3000/grafana", None, "/grafana"),
        ("http://g:3000/a/grafana/", None, "/a/grafana"),
        ("http://g:3000", "/grafana/", "/grafana"),
        ("http://g:3000", "grafana", "/grafana"),
        ("http://g:3000/grafana", "/", ""),
        ("http://g:3000/inner", "/outer", "/outer"),
    ],
)
def test_it_is_as_configured_or_else_the_url_s(url: str, configured: str | None, path: str) -> None:
    assert SubPath.of(url, configured) == SubPath(path)


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("/grafana", ""),
        ("/grafana/", "/"),
        ("/grafana/api/x", "/api/x"),
        ("/grafana//x", "//x"),
        ("/grafana/grafana/x", "/grafana/x"),
        ("/", None),
        ("/grafanax", None),
        ("/graf%61na/x", None),
        ("/Grafana/x", None),
        ("/x/grafana/y", None),
    ],
)
def test_what_is_below_it(path: str, below: str | None) -> None:
    assert SubPath("/grafana").below(path) == below


@pytest.mark.parametrize("path", ["/", "/x", "//x"])
def test_without_one_everything_is(path: str) -> None:
    assert SubPath().below(path) == path
