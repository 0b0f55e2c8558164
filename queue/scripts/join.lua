-- Hands out entry numbers of one lane to those who join, never above the journaled high-water mark. While nobody waits, it
-- calls as many of them at once as may be called.
-- KEYS those of the room
-- ARGV 1 numbers wanted  2 most visitors that may wait in the lane
--      3 numbers wanted besides by those who take one only when they are called at once
--      4 units that are free, below 0 when that is not known  5 units allocated  6 factor of the degradation level
--      7 lane
--      then, of those who name items, which of the wanted they are (1…; those of 3 follow those of 1) and the marks
--      of the items, and so on
-- Numbers and marks are those within the lane.
-- returns {status, first number, numbers granted to those of 1, highest mark ever journaled, now in ms, epoch,
--   base, numbers granted to those of 3, how many of all are called, now in the room's own time, deadline of the
--   called}; when fewer are granted to those of 1 than wanted the status says why: ok, raise (the mark is
--   reached, also for those of 3), full, closed, early, ended, or lost (no room, or that of another run of the
--   server)
--   base: the numbers above it were all given by this room, and those up to it by an earlier one
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local names = {'opens', 'starts', 'ends', 'ended', 'mode', 'order', 'entrants', 'mark', 'called', 'drawn', 'epoch', 'run', 'top', 'base',
  'absent', 'gone', 'draw_kept', 'paused_at', 'paused_total', 'prove_until', 'rate', 'cap', 'window', 'credit', 'credit_at',
  'next_expiry', 'rated', 'floor', 'open_resolved', 'claimed', 'last_deadline', 'lanes'}
local values, h = redis.call('HMGET', KEYS[1], unpack(names)), {}
for i, name in ipairs(names) do h[name] = values[i] end
local lane, own = tonumber(ARGV[7]), h -- own has what the lane has of its own
if lane > 0 then
  local kept = {'entrants', 'mark', 'called', 'top', 'base', 'absent', 'gone', 'last_deadline'}
  own = {}
  for i, name in ipairs(kept) do own[name] = redis.call('HGET', KEYS[1], field(lane, name)) or '0' end
end
if not h.run or h.run ~= server_run() then return {'lost', '0', 0, '0', int(now), '0', '0', 0, 0, '0', '0'} end
local entrants, mark, called = tonumber(own.entrants), tonumber(own.mark), tonumber(own.called)
local paused_at = tonumber(h.paused_at)
local run = (paused_at > 0 and paused_at or now) - tonumber(h.paused_total)

local function answer(status, granted, passing, calls, deadline)
  return {status, int(entrants + 1), granted, own.top, int(now), h.epoch, own.base, passing or 0, calls or 0, int(run), int(deadline or 0)}
end

if h.ended == '1' or now >= tonumber(h.ends) then return answer('ended', 0) end
if now < tonumber(h.opens) then return answer('early', 0) end
if h.mode == 'closed' or h.mode == 'drain' then return answer('closed', 0) end
if lane > tonumber(h.lanes or 0) then return answer('closed', 0) end

-- The first call at or after the start fixes who takes part in the draw, be it this script or advance.
if h.order == 'draw' and h.drawn == '0' and now >= tonumber(h.starts) then
  freeze_entrants(now, h.lanes)
end

local may, credit = may_walk_in(h, now, run, tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]))
local wanted, status = tonumber(ARGV[1]), 'ok'
local granted = wanted
-- Numbers at which nobody is take no room.
local nobody = math.max(0, tonumber(own.absent) + tonumber(own.gone))
local room = tonumber(ARGV[2]) - math.max(0, entrants - called - nobody) + may
if h.mode == 'reject' then room = may end
if granted > room then granted, status = math.max(room, 0), 'full' end
local passing = math.min(math.max(may - granted, 0), tonumber(ARGV[3]))
if granted + passing > mark - entrants then
  granted = math.min(granted, mark - entrants)
  passing, status = math.min(passing, mark - entrants - granted), 'raise'
end
local reply = answer(status, granted, passing)
local all = granted + passing
if all > 0 then
  redis.call('HSET', KEYS[1], field(lane, 'entrants'), int(entrants + all))
  if #ARGV > 7 then
    local w = read_wanted(redis.call('HGET', KEYS[1], 'wanted'))
    for i = 8, #ARGV, 2 do
      local at = tonumber(ARGV[i])
      if at <= granted or at > wanted and at - wanted <= passing then count_wanted(w, ARGV[i + 1], 1) end
    end
    redis.call('HSET', KEYS[1], 'wanted', write_wanted(w))
  end
end
local calls = math.min(may, all)
if calls > 0 then
  local deadline = open_window(lane, run, tonumber(h.window), tonumber(own.last_deadline), entrants + calls, entrants - called)
  redis.call('HSET', KEYS[1], field(lane, 'absent'), '0', field(lane, 'gone'), '0', 'credit', string.format('%.6f', credit - calls), 'credit_at', int(now))
  reply[9], reply[11] = calls, int(deadline)
end
return reply
