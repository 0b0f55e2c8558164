-- Notes that places by key are in the journal. A place that was replaced meanwhile is left alone.
-- KEYS 1 room 2 places by key
-- ARGV key, value without its mark, and so on
-- returns ok, or lost (no room, or that of another run of the server)
local run = redis.call('HGET', KEYS[1], 'run')
if not run or run ~= server_run() then return 'lost' end
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[2], ARGV[i]) == '?' .. ARGV[i + 1] then redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
end
return 'ok'
