-- Notes from where a pass is used, and says whether it may be used from there.
-- KEYS 1 room 2 passes 3 from where this pass was used (set)
-- ARGV 1 ticket number  2 from where, a short tag  3 from how many places a pass may be used
-- returns ok
--   foreign            it is used from as many other places already; nothing is noted
--   again              there is no such pass any more
--   lost               no room, or that of another run of the server
local run = redis.call('HGET', KEYS[1], 'run')
if not run or run ~= server_run() then return 'lost' end
local expires = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not expires then return 'again' end
if redis.call('SISMEMBER', KEYS[3], ARGV[2]) == 1 then return 'ok' end
if redis.call('SCARD', KEYS[3]) >= tonumber(ARGV[3]) then return 'foreign' end
redis.call('SADD', KEYS[3], ARGV[2])
redis.call('PEXPIREAT', KEYS[3], string.format('%.0f', tonumber(expires)))
return 'ok'
