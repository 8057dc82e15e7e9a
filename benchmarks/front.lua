-- A browser's request to Grafana for wrk.
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"
wrk.headers["Accept"] = "application/json, text/plain, */*"
wrk.headers["Accept-Language"] = "en-GB,en;q=0.9"
wrk.headers["Cookie"] = "grafana_session=5f1e0c7a9d3b4e2f8a6c1d0e7b9f3a5c; grafana_session_expiry=1795396425"
wrk.headers["X-Grafana-Org-Id"] = "1"
wrk.headers["X-Grafana-Device-Id"] = "0123456789abcdef"
wrk.headers["Referer"] = "http://grafana.example/d/abc/name"
wrk.headers["Sec-Fetch-Site"] = "same-origin"

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "%d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
