-- Reads a whole stock at one moment.
-- KEYS: 1 stock, 2 due, 3 outbox, 4 made
-- Returns {now, reservations due some time, orders in the outbox, reservations ever made, {field, value, …}}
return {clock(), redis.call('ZCARD', KEYS[2]), redis.call('HLEN', KEYS[3]), redis.call('LLEN', KEYS[4]), redis.call('HGETALL', KEYS[1])}
