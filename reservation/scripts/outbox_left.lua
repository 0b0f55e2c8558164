-- Counts which of some orders are still in the outbox.
-- KEYS: 1 outbox
-- ARGV: the members
-- Returns how many of them are there
local left = 0
for _, member in ipairs(ARGV) do left = left + redis.call('HEXISTS', KEYS[1], member) end
return left
