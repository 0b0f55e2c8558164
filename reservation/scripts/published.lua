-- Takes orders that are durable in the order log off the outbox.
-- KEYS: 1 stock, 2 outbox
-- ARGV: the members
-- Returns 0, 1 not ready, 9 another run
local head = redis.call('HMGET', KEYS[1], 'ready', 'run')
local state = state_of(head[1], head[2])
if state == 0 then redis.call('HDEL', KEYS[2], unpack(ARGV)) end
return state
