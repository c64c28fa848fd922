-- Visitors in turn, each as a proxy would send him: those of the file VISITORS, a line each, header lines with tabs between; or else ten
-- thousand whom an auth proxy has named. The requests are made before the clock runs.

local made = {}
local next = 0

local function named()
  local visitors = {}
  for i = 1, 10000 do
    visitors[i] = {
      ["X-Countersign-Proof"] = os.getenv("PROOF"),
      ["X-Forwarded-User"] = string.format("patient%05d", i),
      ["X-Forwarded-Preferred-Username"] = string.format("Zoë Müller %05d", i),
      ["X-Forwarded-Email"] = string.format("zoe%05d@example.org", i),
      ["X-Forwarded-Groups"] = "patients,night",
    }
  end
  return visitors
end

local function listed(file)
  local visitors = {}
  for line in io.lines(file) do
    local visitor = {}
    for name, value in line:gmatch("([^:\t]+): ([^\t]+)") do
      visitor[name] = value
    end
    visitors[#visitors + 1] = visitor
  end
  return visitors
end

function init()
  local file = os.getenv("VISITORS")
  for i, headers in ipairs(file and listed(file) or named()) do
    headers["Host"] = "www.example.org"
    headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    headers["Accept"] = "*/*"
    headers["Accept-Language"] = "de,en;q=0.7,en-US;q=0.3"
    headers["Referer"] = "https://www.example.org/account"
    headers["Sec-Fetch-Dest"] = "empty"
    headers["Sec-Fetch-Mode"] = "cors"
    headers["Sec-Fetch-Site"] = "same-origin"
    headers["X-Forwarded-For"] = "203.0.113.9"
    headers["X-Request-Id"] = "4bf92f3577b34da6a3ce929d0e0e4736"
    made[i] = wrk.format("GET", "/token", headers)
  end
end

function request()
  next = next % #made + 1
  return made[next]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
