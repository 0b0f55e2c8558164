-- Notes that somebody has these uncertain numbers, so that they count as people again. Idempotent.
-- Whoever was passed over meanwhile is called now, with a whole window.
-- KEYS those of the room
-- ARGV 1 generation in which the places were worked out  2 lane of the tickets  then ticket number, its place in the
--   lane or 0 when unknown, and so on
-- returns ok, stale (another generation: work out the places again), lost (no room, or that of another run of
--   the server)
local lane = tonumber(ARGV[2])
local h = redis.call('HMGET', KEYS[1], 'gen', 'run', field(lane, 'gaps'), field(lane, 'called'), field(lane, 'absent'), 'window', 'paused_at', 'paused_total')
if not h[1] or h[2] ~= server_run() then return 'lost' end
if h[1] ~= ARGV[1] or not h[3] then return 'stale' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local paused_at = tonumber(h[7])
local run = (paused_at > 0 and paused_at or now) - tonumber(h[8])
local deadline = string.format('%.0f', run + tonumber(h[6]))
local called, absent = tonumber(h[4]), tonumber(h[5])

local gaps = {}
for first, last in string.gmatch(h[3], '(%d+)-(%d+)') do gaps[#gaps + 1] = {tonumber(first), tonumber(last)} end
local function uncertain(n)
  for _, gap in ipairs(gaps) do
    if n >= gap[1] and n <= gap[2] then return true end
  end
  return false
end

local entries = {}
for i = 3, #ARGV, 2 do
  local number, place = ARGV[i], tonumber(ARGV[i + 1])
  if uncertain(tonumber(in_lane(number))) and redis.call('GETBIT', used_key(lane), in_lane(number)) == 0 and redis.call('SADD', KEYS[10], number) == 1 then
    entries[#entries + 1] = 'p:' .. number
    if place > 0 and place <= called then
      redis.call('ZADD', KEYS[6], deadline, number)
      entries[#entries + 1] = 'g:' .. number .. ':' .. deadline
    else
      absent = absent - 1
    end
  end
end
if #entries == 0 then return 'ok' end
redis.call('HINCRBY', KEYS[1], 'seq', #entries)
redis.call('HSET', KEYS[1], field(lane, 'absent'), string.format('%.0f', math.max(0, absent)))
if redis.call('RPUSH', KEYS[7], unpack(entries)) > 8192 then redis.call('LTRIM', KEYS[7], -4096, -1) end
return 'ok'
