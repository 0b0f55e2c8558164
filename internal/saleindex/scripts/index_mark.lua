-- Says that every sale of the ledger is listed, on this run of the server. The number of changes goes on from the time in
-- microseconds, so that no number comes twice although changes may have been lost.
-- KEYS: 1 the index
-- Returns 1
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], ':run', server_run(), ':change', string.format('%.0f', time[1] * 1000000 + time[2]))
return 1
