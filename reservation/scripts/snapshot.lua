-- Reads a whole stock at one moment.
-- KEYS: 1 stock, 2 due, 3 outbox, 4 made
-- Returns {state, now, entries of due, orders in the outbox, entries of made, when the first of due is due in ms
--   (0 = there is none), {field, value, …}};
--   state: 0 ready, 1 not ready, 9 another run
local state = read_head(KEYS[1]) -- two fields read once more: to find them among all would take longer
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local entries = first[1] and redis.call('ZCARD', KEYS[2]) or 0
return {state, clock(), entries, redis.call('HLEN', KEYS[3]),
  redis.call('LLEN', KEYS[4]), tonumber(first[2] or 0), redis.call('HGETALL', KEYS[1])}
