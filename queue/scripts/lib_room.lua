-- What several scripts of the waiting room share. It is put in front of their bodies, so KEYS are theirs.

-- A room that an earlier version made has other fields: it counts as that of another run, and is restored
-- from the journal.
local run_of_server = server_run
local function server_run() return run_of_server() .. '/2' end

-- A number that Redis gave back is text, which string.format takes on Redis and not on every other Lua.
local function int(x) return string.format('%.0f', tonumber(x)) end

-- A sale may have lanes beside that of everybody, which is lane 0. The number of a ticket says its lane: those of
-- lane i are above i * LANE. A lane has fields of its own in the room's hash, "1:called" for example, and keys of its
-- own for its open windows and its used tickets, behind the keys that every room has.
local LANE, ROOM_KEYS = 134217728, 13
local function lane_of(number) return math.floor(tonumber(number) / LANE) end
local function in_lane(number) return int(tonumber(number) % LANE) end
local function field(lane, name) return lane == 0 and name or int(lane) .. ':' .. name end
local function calls_key(lane) return lane == 0 and KEYS[4] or KEYS[ROOM_KEYS + 2 * lane - 1] end
local function used_key(lane) return lane == 0 and KEYS[5] or KEYS[ROOM_KEYS + 2 * lane] end

-- Fixes who takes part in the draw: in each lane, whoever has a number by now.
local function freeze_entrants(now, lanes)
  redis.call('HSET', KEYS[1], 'drawn', '1', 'frozen_at', int(now))
  for lane = 0, tonumber(lanes or 0) do
    redis.call('HSET', KEYS[1], field(lane, 'draw_count'), redis.call('HGET', KEYS[1], field(lane, 'entrants')))
  end
end

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

-- Tells until when, in the room's own time, a place that was called may be claimed at all: late_window longer than the
-- call that reached it. Up to the place forgotten it is over. Returns 0 when it is over, or nobody may be late.
local function end_of_grace(lane, place, late_window, forgotten)
  if late_window <= 0 or place <= forgotten then return 0 end
  local deadline = redis.call('ZRANGEBYSCORE', calls_key(lane), int(place), '+inf', 'LIMIT', 0, 1)[1]
  return deadline and tonumber(deadline) + late_window or 0
end

-- Moves the watermark of a lane and opens a window for those whom it passes, of whom nobody is at some places. Calls of
-- about the same moment share a deadline, rounded up, so that a window of any length has at most some 256 of
-- them open. A deadline is never earlier than one that was promised to someone further ahead.
-- Returns the deadline, in the room's own time.
local function open_window(lane, run, window, last_deadline, upto, nobody)
  local step = math.max(100, math.floor(window / 256))
  local deadline = math.max(math.ceil((run + window) / step) * step, last_deadline)
  redis.call('ZADD', calls_key(lane), int(upto), int(deadline))
  redis.call('HSET', KEYS[1], field(lane, 'called'), int(upto), field(lane, 'last_deadline'), int(deadline))
  if nobody > 0 then
    redis.call('HINCRBY', KEYS[9], field(lane, 'l' .. int(deadline)), int(nobody))
    redis.call('HINCRBY', KEYS[1], field(lane, 'open_resolved'), int(nobody))
  end
  return deadline
end

