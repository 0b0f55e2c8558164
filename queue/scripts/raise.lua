-- Raises the high-water mark of entry numbers, after it was journaled.
-- KEYS[1] room (hash)
-- ARGV[1] mark
-- returns ok, or lost (no room, or that of another run of the server)
local h = redis.call('HMGET', KEYS[1], 'run', 'mark', 'top')
if not h[1] or h[1] ~= server_run() then return 'lost' end
if tonumber(ARGV[1]) > tonumber(h[2]) then redis.call('HSET', KEYS[1], 'mark', ARGV[1]) end
if tonumber(ARGV[1]) > tonumber(h[3]) then redis.call('HSET', KEYS[1], 'top', ARGV[1]) end
return 'ok'
