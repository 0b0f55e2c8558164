-- Takes a proof of work, once. Idempotent by the name of the request.
-- KEYS 1 room 2 the proof
-- ARGV 1 epoch of the sale when the challenge was made  2 when the challenge expires, Unix ms  3 name of the request
-- returns status
--   ok        taken now, or by this same request before
--   used      another request took it
--   expired   the challenge is too old, or the sale was made again since
--   lost      no room, or that of another run of the server
local h = redis.call('HMGET', KEYS[1], 'run', 'epoch')
if not h[1] or h[1] ~= server_run() then return 'lost' end
local time = redis.call('TIME')
local left = tonumber(ARGV[2]) - (time[1] * 1000 + math.floor(time[2] / 1000))
if h[2] ~= ARGV[1] or left <= 0 then return 'expired' end
-- Kept for longer than the challenge is good: on the embedded engine a key may end up to 2 s early.
if redis.call('SET', KEYS[2], ARGV[3], 'NX', 'PX', string.format('%.0f', left + 10000)) then return 'ok' end
return redis.call('GET', KEYS[2]) == ARGV[3] and 'ok' or 'used'
