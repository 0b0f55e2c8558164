-- What several scripts of the waiting room share. It is put in front of their bodies, so KEYS are theirs.

-- A room that an earlier version made has other fields: it counts as that of another run, and is restored
-- from the journal.
local run_of_server = server_run
local function server_run() return run_of_server() .. '/2' end

-- A number that Redis gave back is text, which string.format takes on Redis and not on every other Lua.
local function int(x) return string.format('%.0f', tonumber(x)) end

-- Counts the admissions that weigh on the rate now. The list has one entry for each ms in which somebody was
-- admitted, "ms:before", where before is how many had been admitted until then; rated is how many have been
-- until now. An admission weighs until it is more than 60,000 ms old by the truncated clock, so that no
-- closed interval of 60 s holds more than the rate.
-- Returns the admissions, the position of the first entry that weighs, and its ms (nil when none does).
local function admitted_lately(key, now, rated)
  local function entry(i)
    local ms, before = string.match(redis.call('LINDEX', key, i) or '', '^(%d+):(%d+)$')
    return tonumber(ms), tonumber(before)
  end
  local ms, before = entry(0)
  if not ms then return 0, 0, nil end
  if now - ms <= 60000 then return rated - before, 0, ms end
  local length = redis.call('LLEN', key)
  local low, high = 1, length
  while low < high do
    local middle = math.floor((low + high) / 2)
    if now - entry(middle) > 60000 then low = middle + 1 else high = middle end
  end
  if low == length then return 0, length, nil end
  ms, before = entry(low)
  return rated - before, low, ms
end

-- Counts the called who may still come: those above the floor who are not resolved, and those whose window
-- was renewed.
local function outstanding(called, floor, resolved)
  return math.max(0, called - floor - resolved + redis.call('ZCARD', KEYS[6]))
end

-- Moves the watermark and opens a window for those whom it passes, of whom nobody is at some places. Calls of
-- about the same moment share a deadline, rounded up, so that a window of any length has at most some 256 of
-- them open. A deadline is never earlier than one that was promised to someone further ahead.
-- Returns the deadline, in the room's own time.
local function open_window(run, window, last_deadline, upto, nobody)
  local step = math.max(100, math.floor(window / 256))
  local deadline = math.max(math.ceil((run + window) / step) * step, last_deadline)
  redis.call('ZADD', KEYS[4], int(upto), int(deadline))
  redis.call('HSET', KEYS[1], 'called', int(upto), 'last_deadline', int(deadline))
  if nobody > 0 then
    redis.call('HINCRBY', KEYS[9], 'l' .. int(deadline), int(nobody))
    redis.call('HINCRBY', KEYS[1], 'open_resolved', int(nobody))
  end
  return deadline
end

