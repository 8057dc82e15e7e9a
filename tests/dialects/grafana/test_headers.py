"""The organisation that a request is asked in."""

import pytest

from proxy.core.model import Pairs
from proxy.dialects.grafana.headers import in_org


@pytest.mark.parametrize(
    ("headers", "rest"),
    [
        ((), ()),
        ((("Cookie", "a=b"),), (("Cookie", "a=b"),)),
        ((("X-Grafana-Org-Id", "1"), ("A", "1")), (("A", "1"),)),
        ((("x-grafana-org-id", ""), ("A", "1"), ("X-GRAFANA-ORG-ID", "9")), (("A", "1"),)),
    ],
)
def test_it_is_the_one_that_is_named_and_no_other(headers: Pairs, rest: Pairs) -> None:
    assert in_org(headers, 7) == (*rest, ("X-Grafana-Org-Id", "7"))
