-- Shared by all scripts: numbers the threads, and prints the result as one line of JSON for the benchmark to read.
-- Thread state that done() reads must be global in the thread (`used`, `total`).

local threads = {}

function setup(thread)
  thread:set("thread_number", #threads)
  table.insert(threads, thread)
end

function done(summary, latency, requests)
  local used, total = 0, 0
  for _, thread in ipairs(threads) do
    used = used + (thread:get("used") or 0)
    total = total + (thread:get("total") or 0)
  end
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,' ..
    '"p50_us":%.0f,"p99_us":%.0f,"max_us":%.0f,"used":%d,"total":%d}\n',
    summary.requests, summary.duration, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99), latency.max, used, total))
end

-- lines reads a file and keeps this thread's share of its lines.
function lines(path)
  local threads_total, mine, n = tonumber(os.getenv("WRK_THREADS")), {}, 0
  for line in io.lines(path) do
    if n % threads_total == thread_number then mine[#mine + 1] = line end
    n = n + 1
  end
  return mine
end

-- post builds a request by hand: wrk.format costs more than the request itself.
function post(path, key, body, more)
  return "POST " .. path .. " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nIdempotency-Key: " .. key ..
    "\r\n" .. (more or "") .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
end
