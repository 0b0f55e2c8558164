-- Raises the high-water mark of entry numbers, after it was journaled. It never falls.
-- KEYS[1] room (hash)
-- ARGV[1] mark
-- returns ok or gone (no such room)
local mark = redis.call('HGET', KEYS[1], 'mark')
if not mark then return 'gone' end
if tonumber(ARGV[1]) > tonumber(mark) then redis.call('HSET', KEYS[1], 'mark', ARGV[1]) end
return 'ok'
