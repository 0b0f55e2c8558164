-- Gives a pass back: its slot is free at once, and the pass is good for nothing any more. Idempotent.
-- KEYS 1 room 2 passes 3 admits 4 calls 5 used 6 grace 7 changes 8 issued 9 resolved
-- ARGV 1 ticket number
-- returns ok, again (there was no such pass any more), lost (no room, or that of another run of the server)
local run = redis.call('HGET', KEYS[1], 'run')
if not run or run ~= server_run() then return 'lost' end
if redis.call('ZREM', KEYS[2], ARGV[1]) == 0 then return 'again' end
redis.call('HDEL', KEYS[8], ARGV[1])
redis.call('HINCRBY', KEYS[1], 'released', 1)
redis.call('HINCRBY', KEYS[1], 'seq', 1)
if redis.call('RPUSH', KEYS[7], 'r:' .. ARGV[1]) > 8192 then redis.call('LTRIM', KEYS[7], -4096, -1) end
return 'ok'
