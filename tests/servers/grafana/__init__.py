"""A small Grafana for the tests: none can be installed. `python -m tests.servers.grafana` is it, `server.Grafana` runs it.

What it assumes, looked up in Grafana's open source and documents (7.x to 13.x):

* Who asks (`identity`, `sessions`): bearer, basic, auth proxy (`auth_proxy_header`, from any address), session cookie,
  anonymous, in that order. With `rotation="new"` (10 and later) credentials that fail are passed over and anonymous
  access may take over, but a session past its interval is 401 `session.token.rotate` and is renewed by POST
  /api/user/auth-tokens/rotate alone. With "old" (9 and earlier) a wrong `Authorization` is 401 at once, and any request
  of a session past its interval is answered with a new cookie. A previous token goes on working until its successor is
  itself replaced; used a minute after the rotation, it hastens the next.
* The org is that of `X-Grafana-Org-Id`, else the user's current one; of an org that one is not in, it is -1 without a
  role. A service account is bound to its org and ignores the header. A signed-in `?orgId=` of another org switches and
  redirects (302), on any path.
* Permissions (`permissions`): `edition="oss"` gives every role `datasources:read` and `:query` on `datasources:*`,
  "enterprise" gives `:query` source by source and knows `datasources.caching:*`, "legacy" (7.x, 8.x) has no permissions
  call, reads sources for Admins alone and lets any member of the org query. Server admins have no rights in an org that
  they are not in.
* Queries (`query_api`): a route asks for `datasources:query` on anything, each source then for itself. Errors of a refId
  make the answer 400 (207 with `multi_status` and in query.grafana.app). Mixed requests are answered; an expression needs
  the refIds that it names. refIds are in order, one newline ends the body, as Grafana's writer does it.
* `Cache-Control: no-store` on everything but /api/datasources/proxy and /public.
* Simplified: the query service refuses like an `/apis` server (a Status object), but finds sources as /api/ds/query does;
  no teams, folders, alerts, plugins; passwords are kept as they are; the clock stands still until a test turns it.
"""
