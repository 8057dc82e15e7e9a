// The page of the small Grafana: a login, or one panel of `?source=prom&expr=up&from=…&to=…` with what came of its query.
"use strict";

const { user, settings } = window.grafanaBootData;
const root = document.getElementById("reactRoot");
const parameters = new URLSearchParams(location.search);

function show(html) {
  root.innerHTML = html;
}

function write(id, text) {
  document.getElementById(id).textContent = text;
}

async function post(path, body, headers = {}) {
  const options = { method: "POST", headers: { "Content-Type": "application/json", ...headers } };
  return fetch(`${settings.appSubUrl}${path}`, { ...options, body: JSON.stringify(body) });
}

// A session past its interval is renewed, and the query asked once more, as Grafana's own pages do.
async function postRenewing(path, body, headers) {
  const first = await post(path, body, headers);
  if (first.status !== 401 || (await first.clone().json()).messageId !== "session.token.rotate") {
    return first;
  }
  await post("/api/user/auth-tokens/rotate", {});
  return post(path, body, headers);
}

function login() {
  show('<form><input name="user"><input name="password" type="password"><button>Log in</button></form><p id="error"></p>');
  document.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const { user: name, password } = event.target;
    const response = await post("/login", { user: name.value, password: password.value });
    const told = await response.json();
    if (response.ok) {
      location.assign(told.redirectUrl);
    } else {
      write("error", told.message);
    }
  });
}

function source() {
  const uid = parameters.get("source") || "prom";
  return Object.values(settings.datasources).find((each) => each.uid === uid);
}

// Grafana's own pages offer the field where the data source's cachingConfig is enabled, with its TTL for a placeholder.
function cacheTtl(caching) {
  return caching && caching.enabled ? `<label>Cache TTL <input id="cache-ttl" placeholder="${caching.TTLMs}"></label>` : "";
}

async function panel() {
  const { uid, type, cachingConfig } = source();
  show(`<p id="user"></p><a id="logout" href="${settings.appSubUrl}/logout">Log out</a>
    <p>${cacheTtl(cachingConfig)}</p>
    <dl><dt>Status</dt><dd id="status"></dd><dt>X-Cache</dt><dd id="x-cache"></dd></dl>
    <p id="notice"></p><pre id="answer"></pre>`);
  write("user", `${user.login} in ${user.orgName}`);
  const now = Date.now();
  const query = {
    refId: "A",
    datasource: { type, uid },
    expr: parameters.get("expr") || "up",
    intervalMs: 1000,
    maxDataPoints: 1000,
  };
  const body = {
    queries: [query],
    from: parameters.get("from") || String(now - 3600000),
    to: parameters.get("to") || String(now),
  };
  const told = { "X-Datasource-Uid": uid, "X-Plugin-Id": type, "X-Dashboard-Uid": "panel", "X-Panel-Id": "1" };
  const response = await postRenewing(`/api/ds/query?ds_type=${type}&requestId=Q100`, body, told);
  write("answer", await response.text());
  write("notice", response.headers.get("X-Cache") === "HIT" ? "Cached response" : "");
  write("x-cache", response.headers.get("X-Cache") || "none");
  write("status", String(response.status));
}

if (user.isSignedIn) {
  panel();
} else {
  login();
}
