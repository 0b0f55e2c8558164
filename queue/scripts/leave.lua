-- Takes a ticket out of the line for good, and gives its pass back if it has one. Idempotent.
-- KEYS those of the room
-- ARGV 1 ticket number  2 its place in its lane, 0 when unknown  3 the generation in which the place was worked out
--      4 '1' when the ticket's place was passed over, so that nobody waits for it
-- returns ok, again (it was out already), unknown (number never given), lost (no room, or that of another run
--   of the server)
local lane = lane_of(ARGV[1])
local h = redis.call('HMGET', KEYS[1], 'gen', field(lane, 'entrants'), field(lane, 'called'), field(lane, 'floor'), 'run', 'order', 'drawn')
if not h[1] or h[5] ~= server_run() then return 'lost' end
local number, place = ARGV[1], tonumber(ARGV[2])
if tonumber(in_lane(number)) > tonumber(h[2] or 0) then return 'unknown' end

local function change(entry)
  redis.call('HINCRBY', KEYS[1], 'seq', 1)
  if redis.call('RPUSH', KEYS[7], entry) > 8192 then redis.call('LTRIM', KEYS[7], -4096, -1) end
end

if redis.call('SETBIT', used_key(lane), in_lane(number), 1) == 1 then
  if redis.call('ZREM', KEYS[2], number) == 0 then return 'again' end
  redis.call('HDEL', KEYS[8], number)
  redis.call('HINCRBY', KEYS[1], 'released', 1)
  change('r:' .. number)
  return 'ok'
end
redis.call('HINCRBY', KEYS[1], 'left', 1)
change('l:' .. number)
-- Whoever leaves before the call waits no more.
local ahead = h[1] == ARGV[3] and (place > tonumber(h[3]) or place == 0 and h[6] == 'draw' and h[7] == '0')
if ahead and ARGV[4] ~= '1' then redis.call('HINCRBY', KEYS[1], field(lane, 'gone'), 1) end
-- Someone called who leaves is no longer waited for, and says nothing about how many show up.
if redis.call('ZREM', KEYS[6], number) == 0 and ARGV[4] ~= '1' and h[1] == ARGV[3] and place > tonumber(h[4]) and place <= tonumber(h[3]) then
  local cohort = redis.call('ZRANGEBYSCORE', calls_key(lane), ARGV[2], '+inf', 'LIMIT', 0, 1)[1]
  if cohort then
    redis.call('HINCRBY', KEYS[9], field(lane, 'l' .. cohort), 1)
    redis.call('HINCRBY', KEYS[1], field(lane, 'open_resolved'), 1)
  end
end
return 'ok'
