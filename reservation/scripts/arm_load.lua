-- Loads one bounded part of a stock that is being armed.
-- KEYS: 1 stock, 2 where to: the stock, the customers, or due; for due then 3 made and one record a reservation
-- ARGV: 1 token that arm.lua was given, 2 'fields' or 'records';
--       fields: pairs of field and value · records: per record: member of due, score ('0' = not due), text, ms to keep ('0' = for good)
-- Returns 1, or 0 when someone else arms or has armed the stock
local head = redis.call('HMGET', KEYS[1], 'arming', 'ready', 'run')
if head[1] ~= ARGV[1] or head[2] == '1' or head[3] ~= server_run() then return 0 end
if ARGV[2] == 'fields' then
  redis.call('HSET', KEYS[2], unpack(ARGV, 3))
  return 1
end
for i = 4, #KEYS do
  local a = 3 + (i - 4) * 4
  redis.call('RPUSH', KEYS[3], ARGV[a])
  if ARGV[a + 3] == '0' then
    redis.call('SET', KEYS[i], ARGV[a + 2])
  else
    redis.call('SET', KEYS[i], ARGV[a + 2], 'PX', ARGV[a + 3])
  end
  if ARGV[a + 1] ~= '0' then redis.call('ZADD', KEYS[2], ARGV[a + 1], ARGV[a]) end
end
return 1
