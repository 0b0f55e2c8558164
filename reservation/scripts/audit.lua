-- Reads at one moment what a stock has to be counted by: its counters, who holds units, and the orders that are not
-- known to be durable.
-- KEYS: 1 stock, 2 due, 3 outbox
-- ARGV: 1 how many entries of due, and 2 how many orders of the outbox are read at most
-- Returns {state, now, entries of due, orders in the outbox, {field, value, …}, {member of due, …}, {member of the
--   outbox, …}}; of a longer due the first ones, of a longer outbox none. state: 0 ready, 1 not ready, 9 another run
local state = read_head(KEYS[1])
local waiting = redis.call('HLEN', KEYS[3])
local outbox = waiting <= tonumber(ARGV[2]) and redis.call('HKEYS', KEYS[3]) or {}
return {state, clock(), redis.call('ZCARD', KEYS[2]), waiting, redis.call('HGETALL', KEYS[1]),
  redis.call('ZRANGE', KEYS[2], 0, ARGV[1] - 1), outbox}
