-- Moves the room on by one tick of the leader: fixes the draw, closes lapsed windows, drops expired passes,
-- and moves the watermark forward. Every step is bounded and may be repeated; the watermark never falls.
-- KEYS 1 room 2 passes 3 admits 4 calls 5 used 6 grace 7 changes 8 issued 9 resolved
-- ARGV 1 generation  2 watermark from which the leader decided  3 new watermark
--      4 of the newly called, how many had left before
--      5 credit  6 moment of the credit in ms  7 show-up rate  8 shown and 9 no-shows counted in it
--      10 '1' once the seed is journaled  11 '1' once the draw is journaled  12 term of the leader
--      13 of the newly called, how many are uncertain numbers that nobody has shown
--      14 of the newly called, how many other tickets were used up  15 how many had left as the leader knew
-- returns {status, watermark}: ok, stale (another generation), behind (another leader moved it),
--   lost (no room, or that of another run of the server); or {old_term, the later term}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local h = redis.call('HMGET', KEYS[1], 'gen', 'entrants', 'called', 'floor', 'starts', 'ends', 'ended', 'order', 'drawn',
  'window', 'paused_at', 'paused_total', 'next_expiry', 'last_deadline', 'open_resolved', 'shown', 'noshow', 'run', 'term', 'absent', 'gone', 'left', 'rated')
if not h[1] or h[18] ~= server_run() then return {'lost', '0'} end
if tonumber(h[19]) > tonumber(ARGV[12]) then return {'old_term', h[19]} end
if h[19] ~= ARGV[12] then redis.call('HSET', KEYS[1], 'term', ARGV[12]) end
if h[1] ~= ARGV[1] then return {'stale', h[3]} end
local called, floor = tonumber(h[3]), tonumber(h[4])
local paused_at = tonumber(h[11])
local run = (paused_at > 0 and paused_at or now) - tonumber(h[12])
local live = now >= tonumber(h[5]) and now < tonumber(h[6]) and h[7] ~= '1' and paused_at == 0

if h[8] == 'draw' and h[9] == '0' and now >= tonumber(h[5]) then
  redis.call('HSET', KEYS[1], 'drawn', '1', 'draw_count', h[2], 'frozen_at', int(now))
end
if ARGV[10] == '1' then redis.call('HSET', KEYS[1], 'seed_kept', '1') end
if ARGV[11] == '1' then redis.call('HSET', KEYS[1], 'draw_kept', '1') end

-- Close the windows that have lapsed, oldest first.
local calls = redis.call('ZRANGE', KEYS[4], 0, 31, 'WITHSCORES')
local resolved, shown, noshow, closed = tonumber(h[15]), tonumber(h[16]), tonumber(h[17]), false
for i = 1, #calls, 2 do
  if tonumber(calls[i]) > run then break end
  local place = tonumber(calls[i + 1])
  local came = tonumber(redis.call('HGET', KEYS[9], 'c' .. calls[i]) or 0)
  local left = tonumber(redis.call('HGET', KEYS[9], 'l' .. calls[i]) or 0)
  shown = shown + came
  noshow = noshow + math.max(0, place - floor - came - left)
  resolved = resolved - came - left
  floor, closed = place, true
  redis.call('ZREM', KEYS[4], calls[i])
  redis.call('HDEL', KEYS[9], 'c' .. calls[i], 'l' .. calls[i])
end
if closed then
  redis.call('HSET', KEYS[1], 'floor', int(floor), 'open_resolved', int(resolved), 'shown', int(shown), 'noshow', int(noshow))
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

if called ~= tonumber(ARGV[2]) then return {'behind', h[3]} end
redis.call('HSET', KEYS[1], 'credit', ARGV[5], 'credit_at', ARGV[6], 'showup', ARGV[7], 'seen_shown', ARGV[8], 'seen_noshow', ARGV[9])
local want = math.min(tonumber(ARGV[3]), tonumber(h[2]))
if not live or want <= called then return {'ok', h[3]} end

open_window(run, tonumber(h[10]), tonumber(h[14]), want, tonumber(ARGV[4]))
local absent, gone = 0, 0
if want < tonumber(h[2]) then
  absent = math.max(0, tonumber(h[20]) - tonumber(ARGV[13]))
  -- Whoever left since the leader looked may be among those just called: better too few are taken for gone.
  gone = math.max(0, tonumber(h[21]) - tonumber(ARGV[14]) - (tonumber(h[22]) - tonumber(ARGV[15])))
end
redis.call('HSET', KEYS[1], 'absent', int(absent), 'gone', int(gone))
return {'ok', int(want)}
