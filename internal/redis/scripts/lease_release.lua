-- Gives a lease up, if the caller still holds it.
-- KEYS[1] the lease
-- ARGV[1] owner
-- returns 1 when it was released, else 0
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
