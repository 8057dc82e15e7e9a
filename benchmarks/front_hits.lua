-- Panels of Grafana for wrk: 200 distinct queries of about 1.5 KB in turn. Argument after "--": the data source, "1k" or "60k".
local size
local count = 0

function init(args)
  size = args[1]
  math.randomseed(1)
end

local filler = string.rep("sum by (instance) (rate(demo_requests_total{job=\\\"api\\\",code=~\\\"5..\\\"}[5m])) + ", 13)

function request()
  count = count + 1
  local headers = {
    ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0",
    ["Accept"] = "application/json, text/plain, */*", ["Accept-Language"] = "en-GB,en;q=0.9",
    ["Content-Type"] = "application/json",
    ["Cookie"] = "grafana_session=5f1e0c7a9d3b4e2f8a6c1d0e7b9f3a5c; grafana_session_expiry=1795396425",
    ["X-Grafana-Org-Id"] = "1", ["X-Grafana-Device-Id"] = "0123456789abcdef",
    ["X-Dashboard-Uid"] = "abc", ["X-Panel-Id"] = tostring(count % 200), ["X-Panel-Plugin-Id"] = "timeseries",
    ["X-Datasource-Uid"] = size, ["X-Plugin-Id"] = "prometheus",
    ["Referer"] = "http://grafana.example/d/abc/name", ["Sec-Fetch-Site"] = "same-origin",
    ["traceparent"] = string.format("00-%08x%08x%08x%08x-%08x%08x-01", math.random(2^31), math.random(2^31),
      math.random(2^31), math.random(2^31), math.random(2^31), math.random(2^31)),
  }
  local body = '{"queries":[{"refId":"A","datasource":{"type":"prometheus","uid":"' .. size .. '"},"expr":"' .. filler
    .. "vector(" .. (count % 200) .. ')","range":true,"instant":false,"format":"time_series","legendFormat":"__auto",'
    .. '"editorMode":"code","exemplar":false,"utcOffsetSec":3600,"intervalMs":15000,"maxDataPoints":900}],'
    .. '"from":"1700000000000","to":"1700003600000"}'
  return wrk.format("POST", "/api/ds/query?ds_type=prometheus&size=" .. size, headers, body)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "%d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
