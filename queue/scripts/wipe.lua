-- Removes the room of a sale. The term stays, so that an earlier leader cannot make the room again.
-- KEYS those of the room, with all that lanes can have
-- ARGV 1 term of the leader  2 how long the term is kept, in s; 0 for ever
-- returns {ok, term} or {old_term, the later term}
local term = redis.call('HGET', KEYS[1], 'term')
if term and tonumber(term) > tonumber(ARGV[1]) then return {'old_term', term} end
redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', KEYS[1], 'term', ARGV[1])
if ARGV[2] ~= '0' then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return {'ok', ARGV[1]}
