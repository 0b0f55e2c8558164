-- Lists a sale in the index, or takes it off, and numbers the change.
-- KEYS: 1 the index
-- ARGV: 1 sale, 2 edition, '' to take the sale off
-- Returns 1, or 0 when nothing has changed
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') == ARGV[2] then return 0 end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('HINCRBY', KEYS[1], ':change', 1)
return 1
