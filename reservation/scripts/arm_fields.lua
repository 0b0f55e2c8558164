-- Writes one bounded part of the counters and limits of a stock that is being armed; the last part makes it
-- ready.
-- KEYS: 1 stock
-- ARGV: 1 token, 2 term, 3 '1' = the last part, 4 number of fields to remove N, then N fields, then pairs of
--   field and value
-- Returns {0}, {8, term} a later term has been here, {4} another caller arms, {9} another run of the server
local refused = not_arming(KEYS[1], ARGV[1], ARGV[2])
if refused then return refused end
local removed = tonumber(ARGV[4])
if removed > 0 then redis.call('HDEL', KEYS[1], unpack(ARGV, 5, 4 + removed)) end
if #ARGV > 4 + removed then redis.call('HSET', KEYS[1], unpack(ARGV, 5 + removed)) end
if ARGV[3] == '1' then
  redis.call('HDEL', KEYS[1], 'arming')
  redis.call('HSET', KEYS[1], 'armed_ms', digits(clock()), 'ready', '1')
end
return {0}
