-- Lowers the high-water mark of a lane to the last number that was given, so that the next number needs a new mark in
-- the journal. The field top keeps the highest mark ever: each new mark is above it, and so is told apart
-- from the one that was lowered.
-- KEYS[1] room (hash)
-- ARGV 1 lane
-- returns {status, mark before, last number given, base}: ok, or lost (no room, or that of another run of the
--   server)
local lane = tonumber(ARGV[1])
local h = redis.call('HMGET', KEYS[1], 'run', field(lane, 'mark'), field(lane, 'entrants'), field(lane, 'base'))
if not h[1] or h[1] ~= server_run() then return {'lost', '0', '0', '0'} end
if not h[2] then return {'ok', '0', '0', '0'} end -- the sale has no such lane
redis.call('HSET', KEYS[1], field(lane, 'mark'), h[3])
return {'ok', h[2], h[3], h[4]}
