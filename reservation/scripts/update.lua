-- Brings the terms of a sale to a stock that is ready. No counter changes.
-- KEYS: 1 stock
-- ARGV: 1 term, 2 epoch, 3 version, then pairs of field and value
-- Returns {0}, {1} not ready, {2} another epoch, {8, term} a later term has been here, {4} there is a later
--   version, {9} another run of the server
local state, head = read_head(KEYS[1], ARGV[2], 'version', 'term')
if state ~= 0 then return {state} end
if tonumber(ARGV[3]) < tonumber(head[4]) then return {4} end
local later = later_term(KEYS[1], head[5], ARGV[1])
if later then return later end
redis.call('HSET', KEYS[1], 'version', ARGV[3], unpack(ARGV, 4))
return {0}
