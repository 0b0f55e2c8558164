-- Removes the room of a sale. The term stays, so that an earlier leader cannot make the room again.
-- KEYS 1 room 2 passes 3 admits 4 calls 5 used 6 grace 7 changes 8 issued 9 resolved 10 proven 11 places by key
--   12 interest
-- ARGV 1 term of the leader  2 how long the term is kept, in s; 0 for ever
-- returns {ok, term} or {old_term, the later term}
local term = redis.call('HGET', KEYS[1], 'term')
if term and tonumber(term) > tonumber(ARGV[1]) then return {'old_term', term} end
redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', KEYS[1], 'term', ARGV[1])
if ARGV[2] ~= '0' then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return {'ok', ARGV[1]}
