-- Says that every sale of the ledger is listed, on this run of the server. The mark is the time in
-- microseconds, so that none comes twice although marks may have been lost; the number of changes goes on
-- from it for the same reason.
-- KEYS: 1 the index
-- Returns 1
local time = redis.call('TIME')
local mark = string.format('%.0f', time[1] * 1000000 + time[2])
redis.call('HSET', KEYS[1], ':run', server_run(), ':mark', mark, ':change', mark)
return 1
