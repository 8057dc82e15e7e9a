"""Who a caller is, is what Grafana says; in doubt it is nobody."""

import pytest
from multidict import CIMultiDict

from proxy.core.headers import HeaderRules, sort_headers
from proxy.engine.front.asking import Told
from proxy.engine.front.callers import Caller, Callers, Credentials

from .grafana import Says, told

RULES = HeaderRules(credentials=frozenset({"cookie", "authorization", "x-grafana-org-id"}))
ORG, PERMISSIONS, USER = "/api/org", "/api/access-control/user/permissions", "/api/user"
UNKNOWN = Told(404, b'{"message":"Not found"}')
MAY_ALL = told({"datasources:query": ["datasources:*"]})


def credentials(**headers: str) -> Credentials:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Credentials.of(sort_headers(CIMultiDict(named), RULES), ())


def callers(**answers: Told) -> tuple[Callers, Says]:
    paths = {"org": ORG, "permissions": PERMISSIONS, "user": USER}
    says = Says({paths[name]: answer for name, answer in answers.items()})
    return Callers(says, lambda: 100.0, seconds=10), says


async def test_a_caller_with_permissions() -> None:
    asked, _ = callers(org=told({"id": 2}), permissions=told({"datasources:query": ["datasources:uid:a"]}))
    found = (await asked.find(credentials(Cookie="grafana_session=a"))).value
    assert found is not None
    assert (found.org_id, found.may_query("a", 1), found.may_query("b", 1)) == (2, True, False)


async def test_before_there_were_permissions_membership_counts() -> None:
    asked, _ = callers(org=told({"id": 1}), permissions=UNKNOWN)
    assert (await asked.find(credentials())).value == Caller(org_id=1, scopes=None)


async def test_a_grafana_that_had_permissions_has_them_still() -> None:
    asked, says = callers(org=told({"id": 1}), permissions=MAY_ALL)
    await asked.find(credentials())
    says.answers[PERMISSIONS] = UNKNOWN
    assert (await asked.find(credentials(Cookie="another"))).value is None


@pytest.mark.parametrize(
    ("org", "permissions"),
    [
        (Told(401), MAY_ALL),
        (Told(0), MAY_ALL),
        (Told(503), MAY_ALL),
        (Told(200, b"<html>"), MAY_ALL),
        (told({"id": 0}), MAY_ALL),
        (told({"id": "1"}), MAY_ALL),
        (told({"id": True}), MAY_ALL),
        (told([1]), MAY_ALL),
        (told({"id": 1}), Told(401)),
        (told({"id": 1}), Told(404)),
        (told({"id": 1}), Told(404, b"<html>")),
        (told({"id": 1}), Told(404, b'{"error":"no route"}')),
        (told({"id": 1}), Told(403)),
        (told({"id": 1}), Told(500)),
        (told({"id": 1}), Told(0)),
        (told({"id": 1}), Told(302)),
        (told({"id": 1}), Told(200, b"")),
        (told({"id": 1}), Told(200, b"{")),
        (told({"id": 1}), told(["datasources:query"])),
        (told({"id": 1}), told({"datasources:query": "datasources:*"})),
    ],
)
async def test_in_doubt_nobody(org: Told, permissions: Told) -> None:
    asked, _ = callers(org=org, permissions=permissions)
    assert (await asked.find(credentials(Authorization="Bearer a"))).value is None


async def test_a_renewed_session_comes_with_the_answer() -> None:
    asked, _ = callers(org=told({"id": 1}, "grafana_session=b"), permissions=told({}, "grafana_session_expiry=1"))
    fact = await asked.find(credentials(Cookie="grafana_session=a"))
    assert fact.cookies == (("Set-Cookie", "grafana_session=b"), ("Set-Cookie", "grafana_session_expiry=1"))


@pytest.mark.parametrize(
    "other",
    [
        {"Authorization": "Bearer b"},
        {"Authorization": "bearer a"},
        {"Authorization": "Bearer a", "Cookie": "grafana_session=a"},
        {"Authorization": "Bearer a", "X_Grafana_Org_Id": "2"},
        {"Authorization": "Bearer a", "X_Api_Key": "a"},
        {"Cookie": "Bearer a"},
        {},
    ],
)
async def test_other_credentials_are_asked_about_anew(other: dict[str, str]) -> None:
    asked, says = callers(org=told({"id": 1}), permissions=MAY_ALL)
    for headers in ({"Authorization": "Bearer a"}, other, {"Authorization": "Bearer a", "traceparent": "1"}):
        await asked.find(credentials(**headers))
    assert says.asked.count(ORG) == 2


async def test_a_session_is_forgotten_whatever_else_its_requests_say() -> None:
    asked, says = callers(org=told({"id": 1}), permissions=MAY_ALL)
    mine = [credentials(Cookie="a"), credentials(Cookie="a", X_Grafana_Org_Id="2")]
    for each in (*mine, credentials(Cookie="b")):
        await asked.find(each)
    asked.forget(mine[0].session)
    says.asked.clear()
    for each in (*mine, credentials(Cookie="b")):
        await asked.find(each)
    assert says.asked.count(ORG) == 2


async def test_a_person_has_a_name_and_a_service_account_has_none() -> None:
    asked, _ = callers(user=told({"id": 7, "login": "a"}))
    assert (await asked.user(credentials(Cookie="a"))).value == "user:7"
    asked, _ = callers(user=Told(404, b'{"message":"User not found"}'))
    assert (await asked.user(credentials(Authorization="Bearer a"))).value is None
