-- Ten thousand visitors in turn, each as a proxy would send him. The requests are made before the clock runs.

local count = 10000
local made = {}
local next = 0

function init()
  local headers = {
    ["Host"] = "www.example.org",
    ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ["Accept"] = "*/*",
    ["Accept-Language"] = "de,en;q=0.7,en-US;q=0.3",
    ["Referer"] = "https://www.example.org/account",
    ["Sec-Fetch-Dest"] = "empty",
    ["Sec-Fetch-Mode"] = "cors",
    ["Sec-Fetch-Site"] = "same-origin",
    ["X-Forwarded-For"] = "203.0.113.9",
    ["X-Request-Id"] = "4bf92f3577b34da6a3ce929d0e0e4736",
    ["X-Countersign-Proof"] = os.getenv("PROOF"),
  }
  for i = 1, count do
    headers["X-Forwarded-User"] = string.format("patient%05d", i)
    headers["X-Forwarded-Preferred-Username"] = string.format("Zoë Müller %05d", i)
    headers["X-Forwarded-Email"] = string.format("zoe%05d@example.org", i)
    headers["X-Forwarded-Groups"] = "patients,night"
    made[i] = wrk.format("GET", "/token", headers)
  end
end

function request()
  next = next % count + 1
  return made[next]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
