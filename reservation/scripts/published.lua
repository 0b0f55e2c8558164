-- Takes orders that are durable in the order log off the outbox.
-- KEYS: 1 outbox
-- ARGV: the members
-- Returns how many were there
return redis.call('HDEL', KEYS[1], unpack(ARGV))
