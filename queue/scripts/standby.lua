-- Counts the arrivals that a node reports, tells those of the last minute, and notes for the leader whether the line
-- of a sale in standby is on. The minute is counted in steps of 5 s.
-- KEYS 1 room 2 arrivals (hash: step → count)
-- ARGV 1 arrivals to be added  2 term of the leader, or empty  3 mode from now on (open or queue), or empty
--      4 since when it is calm, ms, or 0
-- returns {status, arrivals}: ok, lost (no room, or that of another run of the server), old_term
local h = redis.call('HMGET', KEYS[1], 'run', 'term', 'mode', 'standby')
if not h[1] or h[1] ~= server_run() then return {'lost', '0'} end
if ARGV[2] ~= '' and tonumber(h[2]) > tonumber(ARGV[2]) then return {'old_term', h[2]} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local step = math.floor(now / 5000)
if ARGV[1] ~= '0' then redis.call('HINCRBY', KEYS[2], int(step), ARGV[1]) end
local sum, old = 0, {}
local steps = redis.call('HGETALL', KEYS[2])
for i = 1, #steps, 2 do
  if tonumber(steps[i]) > step - 12 then sum = sum + tonumber(steps[i + 1]) else old[#old + 1] = steps[i] end
end
if #old > 0 then redis.call('HDEL', KEYS[2], unpack(old)) end
redis.call('HSET', KEYS[1], 'arrivals', int(sum))
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'looked_at', int(now)) end
if ARGV[3] ~= '' and h[4] == '1' then
  if h[3] ~= ARGV[3] then redis.call('HSET', KEYS[1], 'mode', ARGV[3], 'limits_at', int(now)) end
  redis.call('HSET', KEYS[1], 'calm_since', ARGV[4])
end
return {'ok', int(sum)}
