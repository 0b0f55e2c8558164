-- Moves the room on by one tick of the leader: fixes the draw, closes lapsed windows, drops expired passes,
-- and moves the watermarks forward. Every step is bounded and may be repeated; no watermark ever falls.
-- KEYS those of the room, with those of its lanes
-- ARGV 1 generation  2 credit  3 moment of the credit in ms  4 show-up rate  5 shown and 6 no-shows counted in it
--      7 '1' once the seed is journaled  8 '1' once the draw is journaled  9 term of the leader
--      10 how many had left, as the leader knew, and 11 how many were admitted late at the most, for the decision to hold
--      then for each lane, that of everybody first: the watermark from which the leader decided, the new one; of the
--      newly called, how many had left before, how many are uncertain numbers that nobody has shown, and how many
--      other tickets were used up; and what the lane is owed
-- returns {status, watermark of the lane of everybody}: ok, stale (another generation), behind (a watermark was moved,
--   or more were admitted late, meanwhile), lost (no room, or that of another run of the server); or {old_term, the later term}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local h = redis.call('HMGET', KEYS[1], 'gen', 'entrants', 'called', 'floor', 'starts', 'ends', 'ended', 'order', 'drawn',
  'window', 'paused_at', 'paused_total', 'next_expiry', 'last_deadline', 'open_resolved', 'shown', 'noshow', 'run', 'term', 'absent', 'gone', 'left', 'rated', 'lanes',
  'late', 'late_window', 'forgotten')
if not h[1] or h[18] ~= server_run() then return {'lost', '0'} end
if tonumber(h[19]) > tonumber(ARGV[9]) then return {'old_term', h[19]} end
if h[19] ~= ARGV[9] then redis.call('HSET', KEYS[1], 'term', ARGV[9]) end
if h[1] ~= ARGV[1] then return {'stale', h[3]} end
local paused_at = tonumber(h[11])
local run = (paused_at > 0 and paused_at or now) - tonumber(h[12])
local live = now >= tonumber(h[5]) and now < tonumber(h[6]) and h[7] ~= '1' and paused_at == 0

if h[8] == 'draw' and h[9] == '0' and now >= tonumber(h[5]) then
  freeze_entrants(now, h[24])
end
if ARGV[7] == '1' then redis.call('HSET', KEYS[1], 'seed_kept', '1') end
if ARGV[8] == '1' then redis.call('HSET', KEYS[1], 'draw_kept', '1') end

-- What each lane has of its own.
local ENTRANTS, CALLED, FLOOR, LAST_DEADLINE, RESOLVED, ABSENT, GONE, FORGOTTEN = 1, 2, 3, 4, 5, 6, 7, 8
local lanes = {[0] = {h[2], h[3], h[4], h[14], h[15], h[20], h[21], h[27] or h[4]}}
for lane = 1, math.min(tonumber(h[24] or 0), (#KEYS - ROOM_KEYS) / 2) do
  lanes[lane] = redis.call('HMGET', KEYS[1], field(lane, 'entrants'), field(lane, 'called'), field(lane, 'floor'),
    field(lane, 'last_deadline'), field(lane, 'open_resolved'), field(lane, 'absent'), field(lane, 'gone'), field(lane, 'forgotten'))
  lanes[lane][FORGOTTEN] = lanes[lane][FORGOTTEN] or lanes[lane][FLOOR]
end
for lane = 0, #lanes do
  for i = 1, 8 do lanes[lane][i] = tonumber(lanes[lane][i]) end
end

-- Close the windows of a lane that have lapsed, oldest first. They are kept until their grace is over.
local shown, noshow = tonumber(h[16]), tonumber(h[17])
local function close_windows(lane, own)
  local calls = redis.call('ZRANGEBYSCORE', calls_key(lane), '(' .. int(own[FLOOR]), '+inf', 'WITHSCORES', 'LIMIT', 0, 32)
  local closed = false
  for i = 1, #calls, 2 do
    if tonumber(calls[i]) > run then break end
    local place = tonumber(calls[i + 1])
    local c, l = field(lane, 'c' .. calls[i]), field(lane, 'l' .. calls[i])
    local came = tonumber(redis.call('HGET', KEYS[9], c) or 0)
    local left = tonumber(redis.call('HGET', KEYS[9], l) or 0)
    shown = shown + came
    noshow = noshow + math.max(0, place - own[FLOOR] - came - left)
    own[RESOLVED] = own[RESOLVED] - came - left
    own[FLOOR], closed = place, true
    redis.call('HDEL', KEYS[9], c, l)
  end
  if closed then
    redis.call('HSET', KEYS[1], field(lane, 'floor'), int(own[FLOOR]), field(lane, 'open_resolved'), int(own[RESOLVED]),
      'shown', int(shown), 'noshow', int(noshow))
  end
end
local late_window = tonumber(h[26] or 0)
local function forget_windows(lane, own)
  local calls, forgotten = redis.call('ZRANGE', calls_key(lane), 0, 31, 'WITHSCORES'), {}
  for i = 1, #calls, 2 do
    local place = tonumber(calls[i + 1])
    if place > own[FLOOR] or tonumber(calls[i]) + late_window > run then break end
    forgotten[#forgotten + 1], own[FORGOTTEN] = calls[i], place
  end
  if #forgotten == 0 then return end
  redis.call('ZREM', calls_key(lane), unpack(forgotten))
  redis.call('HSET', KEYS[1], field(lane, 'forgotten'), int(own[FORGOTTEN]))
end
for lane = 0, #lanes do
  close_windows(lane, lanes[lane])
  forget_windows(lane, lanes[lane])
end
if redis.call('ZCARD', KEYS[6]) > 0 then redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', int(run)) end

-- Drop expired passes and admissions that no rolling minute holds any more.
local next_expiry = tonumber(h[13])
if next_expiry > 0 and next_expiry <= now then
  local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', int(now), 'LIMIT', 0, 1000)
  if #gone > 0 then
    redis.call('ZREM', KEYS[2], unpack(gone))
    redis.call('HDEL', KEYS[8], unpack(gone))
  end
  local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  redis.call('HSET', KEYS[1], 'next_expiry', first[2] and int(first[2]) or '0')
end
local _, lapsed = admitted_lately(KEYS[3], now, tonumber(h[23]))
if lapsed > 0 then redis.call('LTRIM', KEYS[3], lapsed, -1) end

local function decided(lane, i) return ARGV[11 + 6 * lane + i] end
-- Whoever was admitted late since the leader looked, beyond those it allowed for, may have taken the room of those that
-- it would call.
if tonumber(h[25] or 0) > tonumber(ARGV[11]) then return {'behind', h[3]} end
for lane = 0, #lanes do
  if lanes[lane][CALLED] ~= tonumber(decided(lane, 1)) then return {'behind', h[3]} end
end
redis.call('HSET', KEYS[1], 'credit', ARGV[2], 'credit_at', ARGV[3], 'showup', ARGV[4], 'seen_shown', ARGV[5], 'seen_noshow', ARGV[6])

local function move(lane, own)
  local want = math.min(tonumber(decided(lane, 2)), own[ENTRANTS])
  if not live or want <= own[CALLED] then return end
  open_window(lane, run, tonumber(h[10]), own[LAST_DEADLINE], want, tonumber(decided(lane, 3)))
  local absent, gone = 0, 0
  if want < own[ENTRANTS] then
    absent = math.max(0, own[ABSENT] - tonumber(decided(lane, 4)))
    -- Whoever left since the leader looked may be among those just called: better too few are taken for gone.
    gone = math.max(0, own[GONE] - tonumber(decided(lane, 5)) - (tonumber(h[22]) - tonumber(ARGV[10])))
  end
  redis.call('HSET', KEYS[1], field(lane, 'absent'), int(absent), field(lane, 'gone'), int(gone))
  own[CALLED] = want
end
for lane = 0, #lanes do
  if #lanes > 0 then redis.call('HSET', KEYS[1], field(lane, 'owed'), decided(lane, 6)) end
  move(lane, lanes[lane])
end
return {'ok', int(lanes[0][CALLED])}
