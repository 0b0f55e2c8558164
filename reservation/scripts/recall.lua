-- Looks whether requests have made reservations before.
-- KEYS: 1 stock, 2… one record a request
-- ARGV: 1 epoch
-- Returns {0, {the records, '' for one that does not exist}}, {1} not ready, {2} another epoch, {9} another
--   run
local state = read_head(KEYS[1], ARGV[1])
if state ~= 0 then return {state} end
local records = redis.call('MGET', unpack(KEYS, 2))
for i = 1, #KEYS - 1 do records[i] = records[i] or '' end
return {0, records}
