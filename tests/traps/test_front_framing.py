"""S-26 in front of Grafana: the same corpus, at the root."""

import pytest

from tests.servers.listener import in_front_of
from tests.servers.scripted import Scripted, json_answer

from .corpus import REFUSED, UNFINISHED, Expected, sections
from .test_framing import NEXT, SHORT, statuses

BASE = b"/ds/prom"


@pytest.mark.parametrize("section", sections())
async def test_a_request_is_refused_or_means_one_thing(section: str) -> None:
    async with Scripted(json_answer(b"{}")) as grafana, in_front_of(grafana.url, patience=SHORT) as millpond:
        for case in sections()[section]:
            grafana.requests.clear()
            request = case.request.replace(BASE, b"")
            following = b"" if case.expected == UNFINISHED else NEXT.replace(BASE, b"")
            answers = await millpond.raw(request + following)
            seen: list[Expected] = [(request.method, request.target, request.body) for request in grafana.requests]
            if case.expected in (REFUSED, UNFINISHED):
                assert seen == [], case.name
                assert all(400 <= status < 600 for status in statuses(answers)), case.name
                assert len(statuses(answers)) == (case.expected == REFUSED), case.name
            else:
                next_one = [] if b"Upgrade" in case.request else [("GET", "/next", b"")]
                assert seen == [case.expected, *next_one], case.name
            for one in grafana.requests:
                assert len(one.headers.getall("Host")) == 1, case.name
                assert not {"Transfer-Encoding", "Content-Length"} <= set(one.headers), case.name
            assert grafana.malformed == [], case.name
