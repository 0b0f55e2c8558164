-- Takes orders that are durable in the order log off the outbox.
-- KEYS: 1 stock, 2 outbox
-- ARGV: 1 epoch in which they were confirmed, then the members
-- Returns 0, 1 not ready, 2 another epoch: the stock was rebuilt since, 9 another run
local state = read_head(KEYS[1], ARGV[1])
if state == 0 then redis.call('HDEL', KEYS[2], unpack(ARGV, 2)) end
return state
