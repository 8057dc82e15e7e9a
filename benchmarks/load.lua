-- Grafana's requests for wrk: 200 distinct range queries in turn, a new traceparent each time.
-- Arguments after "--": method, path prefix, "hit" (the same 200 again and again) or "miss" (never the same twice).
local method, prefix, mode
local thread_number = 0
local count = 0

function setup(thread)
  thread:set("number", thread_number)
  thread_number = thread_number + 1
end

function init(args)
  method, prefix, mode = args[1], args[2], args[3]
  math.randomseed(number + 1)
end

local function query(n)
  return "query=sum+by%28instance%29%28rate%28demo_requests_total%7Binstance%3D%7E%22%28a%7Cb%7Cc%29%22%2Cn%3D%22"
    .. n .. "%22%7D%5B60s%5D%29%29&start=1795396425&end=1795400025&step=15"
end

function request()
  count = count + 1
  local n = (mode == "miss") and (number .. "-" .. count .. "-" .. math.random(1e9)) or (count % 200)
  local headers = {
    ["User-Agent"] = "Grafana/13.1.7",
    ["Accept"] = "application/json, text/plain, */*",
    ["X-Dashboard-Uid"] = "abc", ["X-Panel-Id"] = "2", ["X-Datasource-Uid"] = "prom", ["X-Grafana-Org-Id"] = "1",
    ["traceparent"] = string.format("00-%08x%08x%08x%08x-%08x%08x-01", math.random(2^31), math.random(2^31),
      math.random(2^31), math.random(2^31), math.random(2^31), math.random(2^31)),
  }
  local path = prefix .. "/api/v1/query_range"
  if method == "GET" then
    return wrk.format("GET", path .. "?" .. query(n), headers)
  end
  headers["Content-Type"] = "application/x-www-form-urlencoded"
  return wrk.format("POST", path, headers, query(n))
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "errors": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
