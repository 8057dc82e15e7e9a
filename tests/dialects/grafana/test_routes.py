"""What each path of Grafana means, and that what only looks like one of them means nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.paths import canonical
from proxy.dialects.grafana.routes import (
    BootData,
    ById,
    ByName,
    ByUid,
    CachingApi,
    Edited,
    FrontendSettings,
    IdentityChanged,
    Meaning,
    Operation,
    Other,
    Page,
    Proxied,
    PublicQuery,
    Queries,
    Resource,
    SessionRenewed,
    meaning,
)

U = ByUid("u-1_A")
TOKEN = "0123456789abcdef0123456789abcdef"
K8S = "/apis/prometheus.datasource.grafana.app/v0alpha1/namespaces/org-2"


def proxied(base: str, path: str) -> Proxied:
    ref = ByUid("u-1_A") if base.startswith("uid/") else ById(7)
    return Proxied(ref=ref, base=f"/api/datasources/proxy/{base}", path=path)


def resource(path: str, ref: ByUid | ById = U, namespace: str | None = None) -> Resource:
    return Resource(ref=ref, path=path, namespace=namespace)


def cache(segment: str, operation: Operation) -> CachingApi:
    return CachingApi(segment=segment, operation=operation)


MEANINGS: list[tuple[str, Meaning]] = [
    # Queries
    ("POST /api/ds/query", Queries(form="api")),
    ("POST /api/ds/query/", Queries(form="api")),
    ("POST /api/d%73/query", Queries(form="api")),
    ("POST /apis/query.grafana.app/v0alpha1/namespaces/default/query", Queries(form="apis", namespace="default")),
    ("POST /apis/query.grafana.app/v0alpha1/namespaces/org-2/query/name", Queries(form="apis", namespace="org-2")),
    (
        "POST /apis/datasource.grafana.app/v0alpha1/namespaces/stacks-9/query",
        Queries(form="apis", namespace="stacks-9"),
    ),
    (f"POST {K8S}/datasources/u-1_A/query", Queries(form="apis", namespace="org-2", source=U)),
    (f"POST {K8S}/connections/u-1_A/query", Queries(form="apis", namespace="org-2", source=U)),
    (
        "POST /apis/grafana-testdata-datasource/v0alpha1/namespaces/default/datasources/u-1_A/query",
        Queries(form="apis", namespace="default", source=U),
    ),
    (f"POST /api/public/dashboards/{TOKEN}/panels/12/query", PublicQuery(access_token=TOKEN, panel_id=12)),
    # Resources
    ("GET /api/datasources/uid/u-1_A/resources", resource("")),
    ("GET /api/datasources/uid/u-1_A/resources/", resource("/")),
    ("POST /api/datasources/uid/u-1_A/resources/api/v1/labels", resource("/api/v1/labels")),
    ("DELETE /api/datasources/uid/u-1_A/resources/x/", resource("/x/")),
    ("GET /api/datasources/7/resources/x", resource("/x", ById(7))),
    ("GET /api/datasources/uid/u-1_A/resources/a%2fb%20c", resource("/a%2Fb%20c")),
    (f"GET {K8S}/datasources/u-1_A/resources/x/y", resource("/x/y", namespace="org-2")),
    (f"POST {K8S}/datasources/u-1_A/resource/x", resource("/x", namespace="org-2")),
    ("GET /api/datasources/uid/old.one/resources/x", resource("/x", ByUid("old.one"))),
    # The data source proxy
    ("GET /api/datasources/proxy/uid/u-1_A/api/v1/query", proxied("uid/u-1_A", "/api/v1/query")),
    ("POST /api/datasources/proxy/7/api/v1/query_range", proxied("7", "/api/v1/query_range")),
    ("GET /api/datasources/proxy/7", proxied("7", "")),
    ("GET /api/datasources/proxy/uid/u-1_A/", proxied("uid/u-1_A", "/")),
    # The Caching API
    ("GET /api/datasources/u-1_A/cache", cache("u-1_A", Operation.READ)),
    ("GET /api/datasources/7/cache/", cache("7", Operation.READ)),
    ("POST /api/datasources/u-1_A/cache", cache("u-1_A", Operation.SET)),
    ("POST /api/datasources/u-1_A/cache/enable", cache("u-1_A", Operation.ENABLE)),
    ("POST /api/datasources/uid/u-1_A/cache/disable", cache("u-1_A", Operation.DISABLE)),
    ("POST /api/datasources/uid/cache/cache/clean", cache("cache", Operation.CLEAN)),
    ("GET /api/datasources/uid/uid/cache", cache("uid", Operation.READ)),
    # Edits
    ("POST /api/datasources", Edited()),
    ("POST /api/datasources/", Edited()),
    ("PUT /api/datasources/7", Edited(ref=ById(7))),
    ("DELETE /api/datasources/7/", Edited(ref=ById(7))),
    ("PUT /api/datasources/+7", Edited()),
    ("PUT /api/datasources/07", Edited()),
    ("PUT /api/datasources/uid/u-1_A", Edited(ref=U)),
    ("PATCH /api/datasources/uid/u-1_A/", Edited(ref=U)),
    ("DELETE /api/datasources/uid/cache", Edited(ref=ByUid("cache"))),
    ("DELETE /api/datasources/uid/my%20source", Edited()),
    ("DELETE /api/datasources/name/My%20Source%2f1", Edited(ref=ByName("My Source/1"))),
    ("PUT /api/datasources/uid/u-1_A/lbac/teams", Edited(ref=U)),
    ("POST /api/datasources/7/enable-permissions", Edited()),
    ("POST /api/datasources/uid/u-1_A/permissions", Edited(ref=U)),
    ("POST /api/access-control/datasources/u-1_A/users/3", Edited(ref=U)),
    ("POST /api/access-control/datasources/7/users/3", Edited()),
    ("POST /api/admin/provisioning/datasources/reload", Edited()),
    ("POST /api/plugins/grafana-athena-datasource/install", Edited()),
    (f"POST {K8S}/datasources", Edited()),
    (f"PUT {K8S}/datasources/u-1_A", Edited(ref=U)),
    (f"PATCH {K8S}/datasources/u-1_A", Edited(ref=U)),
    (f"DELETE {K8S}/datasources/u-1_A/", Edited(ref=U)),
    # Who somebody is
    ("POST /login", IdentityChanged()),
    ("GET /login/github", IdentityChanged()),
    ("GET /logout", IdentityChanged()),
    ("HEAD /logout", IdentityChanged()),
    ("POST /logout/", IdentityChanged()),
    ("POST /api/user/using/2", IdentityChanged()),
    ("GET /profile/switch-org/2", IdentityChanged()),
    ("GET /user/auth-tokens/rotate", SessionRenewed()),
    ("POST /api/user/auth-tokens/rotate", SessionRenewed()),
    ("PATCH /api/org/users/3", IdentityChanged()),
    ("POST /api/orgs", IdentityChanged()),
    ("DELETE /api/users/3", IdentityChanged()),
    ("POST /api/admin/users/3/logout", IdentityChanged()),
    ("DELETE /api/teams/1/members/3", IdentityChanged()),
    ("POST /api/access-control/roles", IdentityChanged()),
    ("DELETE /api/serviceaccounts/1/tokens/2", IdentityChanged()),
    ("DELETE /api/auth/keys/3", IdentityChanged()),
    ("PUT /apis/iam.grafana.app/v0alpha1/namespaces/default/users/x", IdentityChanged()),
    ("POST /saml/acs", IdentityChanged()),
    # Pages
    ("GET /api/frontend/settings", FrontendSettings()),
    ("GET /api/frontend/settings/", FrontendSettings()),
    ("GET /bootdata", BootData()),
    ("GET /bootdata/d/x", BootData()),
    ("GET /", Page()),
    ("GET /login", Page()),
    ("GET /d/abc/a-dashboard", Page()),
    ("GET /d/abc/100%25", Page()),
    ("GET /apiary", Page()),
    ("GET /public-dashboards/x", Page()),
    ("GET /a/grafana-lokiexplore-app", Page()),
]


@pytest.mark.parametrize(("request_line", "expected"), MEANINGS)
def test_meaning(request_line: str, expected: Meaning) -> None:
    method, path = request_line.split(" ")
    assert meaning(method, canonical(path)) == expected


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /api/ds/query",
        "OPTIONS /api/ds/query",
        "POST /api/ds/query//",
        "POST //api/ds/query",
        "POST /api//ds/query",
        "POST /API/ds/query",
        "POST /api%2Fds/query",
        "POST /api/ds/query%2F",
        "POST /api/ds/query%zz",
        "POST /api/ds/query;x",
        "POST /apis/query.grafana.app/v0alpha1/namespaces/default/query/",
        "POST /apis/other.grafana.app/v0alpha1/namespaces/default/query",
        "POST /apis/query.grafana.app/v0alpha1/query",
        f"GET {K8S}/datasources/u/query",
        f"POST {K8S}/datasources//query",
        f"GET {K8S}/datasources/u/health",
        "GET /api/public/dashboards/x/panels/1/query",
        "POST /api/public/dashboards/x/panels/01/query",
        "POST /api/public/dashboards/x/panels//query",
        # A slash too many
        "GET /api/datasources/uid//resources/x",
        "GET /api/datasources/uid/u/resources//x",
        "GET /api/datasources/uid/u/resources/x//",
        "GET /api/datasources/proxy/uid/u//api/v1/query",
        "GET /api/datasources/proxy//uid/u/api/v1/query",
        "GET /api/datasources/proxy/uid//api/v1/query",
        # No data source's name
        "GET /api/datasources/uid/a%20b/resources/x",
        "GET /api/datasources/uid/a%2Fb/resources/x",
        f"GET /api/datasources/uid/{'u' * 41}/resources/x",
        "GET /api/datasources/uid/../resources/x",
        "GET /api/datasources/07/resources/x",
        "GET /api/datasources/name/resources/x",
        "GET /api/datasources/proxy/x/api/v1/query",
        "GET /api/datasources/proxy/+7/api/v1/query",
        # Not the Caching API
        "GET /api/datasources/uid/cache",
        "GET /api/datasources/id/cache",
        "GET /api/datasources/name/cache",
        "POST /api/datasources/uid/cache/enable",
        "POST /api/datasources/correlations/cache/enable",
        "GET /api/datasources/u/cache/enable",
        "PUT /api/datasources/u/cache",
        "DELETE /api/datasources/u/cache",
        "HEAD /api/datasources/u/cache",
        "POST /api/datasources/u/cache/enable/x",
        "GET /api/datasources/u/cachet",
        # No edits
        "GET /api/datasources",
        "GET /api/datasources/7",
        "GET /api/datasources/uid/u",
        "HEAD /api/datasources/uid/u",
        "GET /api/datasources/uid/u/health",
        "POST /api/datasources/uid/u/correlations",
        "GET /api/user",
        "GET /api/access-control/user/permissions",
        "HEAD /login",
        # No pages
        "POST /d/abc/a-dashboard",
        "HEAD /",
        "GET //",
        "GET /api",
        "GET /api/",
        "GET /apis",
        "GET /api/search",
        "GET /public/build/app.js",
        "GET /avatar/x",
        "GET /robots.txt",
        "GET /metrics",
        "GET /healthz",
        "GET /render/d-solo/x",
        "HEAD /api/frontend/settings",
        "POST /api/frontend/settings",
    ],
)
def test_other(request_line: str) -> None:
    method, path = request_line.split(" ")
    assert meaning(method, canonical(path)) == Other()


@given(st.sampled_from(MEANINGS), st.data())
def test_spellings_that_grafana_reads_as_one_mean_one(row: tuple[str, Meaning], data: st.DataObject) -> None:
    """Letters and digits escaped at random."""
    method, path = row[0].split(" ")
    spelled = re.sub(
        r"(?<!%)(?<!%[0-9a-fA-F])[A-Za-z0-9]", lambda c: data.draw(st.sampled_from([c[0], f"%{ord(c[0]):02x}"])), path
    )
    assert meaning(method, canonical(spelled)) == row[1]


@given(st.sampled_from("GET POST PUT DELETE HEAD".split()), st.sampled_from(MEANINGS), st.data())
def test_an_empty_segment_is_never_kept(method: str, row: tuple[str, Meaning], data: st.DataObject) -> None:
    path = row[0].split(" ")[1]
    at = data.draw(st.sampled_from([m.start() for m in re.finditer("/", path)]))
    found = meaning(method, canonical(path[:at] + "/" + path[at:]))
    assert not isinstance(found, Queries | PublicQuery | Resource | Proxied | CachingApi)


@given(st.text(max_size=60), st.sampled_from("GET POST PUT".split()))
def test_any_path_means_something(text: str, method: str) -> None:
    meaning(method, "/" + text)
