-- Lowers the high-water mark to the last number that was given, so that the next number needs a new mark in
-- the journal. The field top keeps the highest mark ever: each new mark is above it, and so is told apart
-- from the one that was lowered.
-- KEYS[1] room (hash)
-- returns {status, mark before, last number given, base}: ok, or lost (no room, or that of another run of the
--   server)
local h = redis.call('HMGET', KEYS[1], 'run', 'mark', 'entrants', 'base')
if not h[1] or h[1] ~= server_run() then return {'lost', '0', '0', '0'} end
redis.call('HSET', KEYS[1], 'mark', h[3])
return {'ok', h[2], h[3], h[4]}
