-- Reads one reservation and the time to judge it by.
-- KEYS: 1 stock, 2 record
-- ARGV: 1 epoch
-- Returns {0, now, record}, {1} not ready, {2} another epoch, {9} another run, {3} unknown
local state = read_head(KEYS[1], ARGV[1])
if state ~= 0 then return {state} end
local text = redis.call('GET', KEYS[2])
if not text then return {3} end
return {0, clock(), text}
