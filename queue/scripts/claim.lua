-- Admits one called ticket, if the cap and the rolling rate allow it. The same ticket gets the same pass. A ticket
-- whose time to claim is over is admitted for one more window, while there is room beside all who are called.
-- KEYS those of the room, with those of its lanes
-- ARGV 1 ticket number  2 its place in its lane, 0 when unknown  3 the generation in which the place was worked out
--      4 units that are free, below 0 when that is not known  5 units allocated  6 factor of the degradation level: 0
--      admits nobody who is late
-- returns {status, issued s, expires s, wait ms, now ms}
--   ok, again           the pass with its times; of one that was renewed, how often instead of wait ms
--   stale               another generation: work out the place again
--   lost, unknown       no room, or that of another run of the server; the number was never given
--   early, ended, paused, not_called, missed
--   full, rate          refused for the cap or the rate alone: the ticket's window starts again;
--                       wait ms until a slot may be free
--   late                the time to claim is over, but its grace is not, and there is no room at this moment
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lane = lane_of(ARGV[1])
local h = redis.call('HMGET', KEYS[1], 'gen', field(lane, 'entrants'), field(lane, 'called'), field(lane, 'floor'), 'starts', 'ends', 'ended', 'mode', 'rate', 'cap',
  'window', 'ttl', 'paused_at', 'paused_total', 'next_expiry', 'peak_active', 'peak_minute', 'delay', 'run', 'rated', 'drawn', 'order',
  'late_window', field(lane, 'forgotten'))
if not h[1] or h[19] ~= server_run() then return {'lost', '0', '0', 0, '0'} end
local number, place = ARGV[1], tonumber(ARGV[2])
local floor, open = tonumber(h[4] or 0), h[8] == 'open'
local paused_at = tonumber(h[13])
-- The room's own time stands still while the sale is paused, so that a pause takes nobody's window.
local run = (paused_at > 0 and paused_at or now) - tonumber(h[14])

local expires = redis.call('ZSCORE', KEYS[2], number)
if expires and tonumber(expires) > now then
  local issued, times = string.match(redis.call('HGET', KEYS[8], number) or '', '^(%d+):?(%d*)$')
  return {'again', issued or '0', int(expires / 1000), tonumber(times) or 0, times and times ~= '' and int(now) or '0'}
end
if tonumber(in_lane(number)) > tonumber(h[2] or 0) then return {'unknown', '0', '0', 0, '0'} end
if redis.call('GETBIT', used_key(lane), in_lane(number)) == 1 then return {'missed', '0', '0', 0, '0'} end
if h[7] == '1' or now >= tonumber(h[6]) then return {'ended', '0', '0', 0, '0'} end
if paused_at > 0 then return {'paused', '0', '0', 0, '0'} end
if now < tonumber(h[5]) then return {'early', '0', '0', 0, '0'} end
if h[1] ~= ARGV[3] then return {'stale', '0', '0', 0, '0'} end

-- How long the ticket may be claimed: until its own renewed deadline, or until that of the call that reached
-- it.
local called = place > 0 and place <= tonumber(h[3])
local renewed_until, cohort = redis.call('ZSCORE', KEYS[6], number), nil
if called and place > floor then
  cohort = redis.call('ZRANGEBYSCORE', calls_key(lane), ARGV[2], '+inf', 'LIMIT', 0, 1)[1]
end
local deadline = tonumber(renewed_until or cohort)
if not open and not called then return {'not_called', '0', '0', 0, '0'} end
local late = not open and (not deadline or run >= deadline)
if late then
  local until_run = end_of_grace(lane, place, tonumber(h[23] or 0), tonumber(h[24] or h[4]))
  if run >= until_run then return {'missed', '0', '0', 0, '0'} end
  if tonumber(ARGV[6]) <= 0 or room_beside_the_called(now, tonumber(ARGV[4]), tonumber(ARGV[5])) < 1 then
    return {'late', '0', '0', 0, '0'}
  end
end

local function resolve()
  if cohort and not renewed_until then
    redis.call('HINCRBY', KEYS[9], field(lane, 'c' .. cohort), 1)
    redis.call('HINCRBY', KEYS[1], field(lane, 'open_resolved'), 1)
  end
end

local function change(entry)
  redis.call('HINCRBY', KEYS[1], 'seq', 1)
  if redis.call('RPUSH', KEYS[7], entry) > 8192 then redis.call('LTRIM', KEYS[7], -4096, -1) end
end

-- The visitor came in time and is not at fault: the window starts again.
local function refuse(status, wait)
  local anew = run + tonumber(h[11])
  if not renewed_until or anew - tonumber(renewed_until) > tonumber(h[11]) / 8 then
    resolve()
    redis.call('ZADD', KEYS[6], int(anew), number)
    change('g:' .. number .. ':' .. int(anew))
  end
  return {status, '0', '0', math.max(1, math.floor(wait)), '0'}
end

local next_expiry = tonumber(h[15])
local active, minute = 0, 0
if not open then
  active = redis.call('ZCARD', KEYS[2])
  if active >= tonumber(h[10]) and next_expiry <= now then
    active = redis.call('ZCOUNT', KEYS[2], '(' .. int(now), '+inf')
  end
  if active >= tonumber(h[10]) then return refuse('full', next_expiry - now) end
  local lapsed, first
  minute, lapsed, first = admitted_lately(KEYS[3], now, tonumber(h[20]))
  if lapsed > 0 then redis.call('LTRIM', KEYS[3], lapsed, -1) end
  if minute >= tonumber(h[9]) then return refuse('rate', (first or now) + 60001 - now) end
end

-- Whole seconds, so that the token and the gate set agree on the end; rounded up, so that the pass lasts its
-- time.
local issued = math.floor(now / 1000)
local until_s = math.ceil((now + tonumber(h[12])) / 1000)
redis.call('SETBIT', used_key(lane), in_lane(number), 1)
redis.call('ZADD', KEYS[2], int(until_s * 1000), number)
redis.call('HSET', KEYS[8], number, int(issued))
resolve()
if renewed_until then redis.call('ZREM', KEYS[6], number) end
-- While the gate is open, tickets are used up that the line has yet to pass over.
if place > tonumber(h[3]) or place == 0 and h[22] == 'draw' and h[21] == '0' then redis.call('HINCRBY', KEYS[1], field(lane, 'gone'), 1) end
change('c:' .. number .. ':' .. int(issued) .. ':' .. int(until_s))
redis.call('HINCRBY', KEYS[1], 'claimed', 1)
if late then redis.call('HINCRBY', KEYS[1], 'late', 1) end
local set = {}
-- How long visitors take from the call to the claim, as a moving average.
if cohort and not renewed_until and not late then
  local took, delay = math.max(0, run - (tonumber(cohort) - tonumber(h[11]))), tonumber(h[18])
  set = {'delay', int(delay < 0 and took or delay + (took - delay) / 16)}
end
if next_expiry == 0 or until_s * 1000 < next_expiry then set[#set + 1] = 'next_expiry'; set[#set + 1] = int(until_s * 1000) end
if not open then
  -- One entry for each ms. Should the clock step back, the admission counts as one of the last ms, for longer.
  local last = string.match(redis.call('LINDEX', KEYS[3], -1) or '', '^(%d+):')
  if not last or tonumber(last) < now then redis.call('RPUSH', KEYS[3], int(now) .. ':' .. h[20]) end
  redis.call('HINCRBY', KEYS[1], 'rated', 1)
  if active + 1 > tonumber(h[16]) then set[#set + 1] = 'peak_active'; set[#set + 1] = int(active + 1) end
  if minute + 1 > tonumber(h[17]) then set[#set + 1] = 'peak_minute'; set[#set + 1] = int(minute + 1) end
end
if #set > 0 then redis.call('HSET', KEYS[1], unpack(set)) end
return {'ok', int(issued), int(until_s), 0, int(now)}
