-- Reads one reservation and the time to judge it by.
-- KEYS: 1 stock, 2 record
-- Returns {0, now, record}, {1} not armed, {3} unknown
if redis.call('HGET', KEYS[1], 'ready') ~= '1' then return {1} end
local text = redis.call('GET', KEYS[2])
if not text then return {3} end
return {0, clock(), text}
