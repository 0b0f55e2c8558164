-- Begins to arm a stock where there is none. It is not ready before arm_fields.lua says so.
-- KEYS: 1 stock, 2 customers, 3 due, 4 made, 5 order keys, 6 outbox
-- ARGV: 1 token of the caller, 2 term, 3 epoch, 4 version, then pairs of field and value
-- Returns {0} begun, {1} something has to be wiped first, {2} refused because a stock is ready,
--   {8, term} a later term has been here
local head = redis.call('HMGET', KEYS[1], 'ready', 'term', 'epoch', 'wiping')
if head[1] == '1' then return {2} end
local later = later_term(KEYS[1], head[2], ARGV[2])
if later then return later end
if head[3] or head[4] then return {1} end
redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', KEYS[1], 'arming', ARGV[1], 'term', ARGV[2], 'epoch', ARGV[3], 'version', ARGV[4], 'run', server_run(),
  unpack(ARGV, 5))
return {0}
