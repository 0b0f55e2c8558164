-- Gives passes back: their slots are free at once, and the passes are good for nothing any more. Idempotent.
-- KEYS 1 room 2 passes 3 admits 4 calls 5 used 6 grace 7 changes 8 issued 9 resolved
-- ARGV the ticket numbers
-- returns {for each: ok, or again (there was no such pass any more)}, {lost} (no room, or that of another run of
--   the server)
local run = redis.call('HGET', KEYS[1], 'run')
if not run or run ~= server_run() then return {'lost'} end
local answer, changes, gone = {}, {}, {}
for i, number in ipairs(ARGV) do
  answer[i] = 'again'
  if redis.call('ZREM', KEYS[2], number) == 1 then
    answer[i] = 'ok'
    gone[#gone + 1] = number
    changes[#changes + 1] = 'r:' .. number
  end
end
if #gone > 0 then
  redis.call('HDEL', KEYS[8], unpack(gone))
  redis.call('HINCRBY', KEYS[1], 'released', #gone)
  redis.call('HINCRBY', KEYS[1], 'seq', #gone)
  if redis.call('RPUSH', KEYS[7], unpack(changes)) > 8192 then redis.call('LTRIM', KEYS[7], -4096, -1) end
end
return answer
