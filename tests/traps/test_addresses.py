"""S-39: what a source's URL may not be, in every spelling that a resolver takes. For names see the resolver's tests."""

import pytest

from proxy.config.schema import Config
from proxy.config.validate import problems
from tests.servers.listener import source

REFUSED = [
    *("file:///etc/passwd", "gopher://m", "ftp://m", "unix:/run/docker.sock", "redis://m:6379", "//m", "m:9090", ""),
    *("http://", "http:///x", "http://:80", "http://u:p@m", "http://u@m", "http://m/?a=b", "http://m/#f", "http://m:x"),
    *("http://m n", "http://m/\r\nX: 1", "http://m:99999", "http://[::1"),
    *("http://169.254.169.254", "https://169.254.0.1/latest", "http://2852039166", "http://0xa9fea9fe"),
    *("http://0251.0376.0251.0376", "http://169.254.43518", "http://169.16689662"),
    *("http://[fe80::1]", "http://[fe80::1%25eth0]", "http://[::ffff:169.254.169.254]", "http://[::ffff:a9fe:a9fe]"),
]
TAKEN = [
    "http://127.0.0.1:9090",
    "http://[::1]:9090/prometheus",
    "https://prometheus.test",
    "http://10.0.0.1",
    "http://m",
]


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_leads_elsewhere_is_refused(url: str) -> None:
    assert [path for path, _ in problems(Config(datasources=(source(url),)))] == ["datasources[0].url"]


@pytest.mark.parametrize("url", TAKEN)
def test_a_url_of_a_source_is_taken(url: str) -> None:
    assert list(problems(Config(datasources=(source(url),)))) == []
