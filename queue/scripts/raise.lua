-- Raises the high-water mark of a lane's entry numbers, after it was journaled.
-- KEYS[1] room (hash)
-- ARGV 1 mark  2 lane
-- returns ok, or lost (no room, or that of another run of the server)
local lane = tonumber(ARGV[2])
local h = redis.call('HMGET', KEYS[1], 'run', field(lane, 'mark'), field(lane, 'top'))
if not h[1] or h[1] ~= server_run() then return 'lost' end
if tonumber(ARGV[1]) > tonumber(h[2]) then redis.call('HSET', KEYS[1], field(lane, 'mark'), ARGV[1]) end
if tonumber(ARGV[1]) > tonumber(h[3]) then redis.call('HSET', KEYS[1], field(lane, 'top'), ARGV[1]) end
return 'ok'
