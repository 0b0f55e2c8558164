-- Puts journaled passes back, before arm.lua opens the room. Idempotent.
-- KEYS 1 passes 2 issued 3 admits
-- ARGV 1 how many passes, then for each: ticket, issued s, expires s; then the given-back tickets' count and those tickets;
--      then the times in ms of the last minute's admissions
-- returns how many admissions the rolling minute now holds
local at, n = 2, tonumber(ARGV[1])
for _ = 1, n do
  redis.call('ZADD', KEYS[1], string.format('%.0f', ARGV[at + 2] * 1000), ARGV[at])
  redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
  at = at + 3
end
local back = tonumber(ARGV[at])
for i = at + 1, at + back do
  redis.call('ZREM', KEYS[1], ARGV[i])
  redis.call('HDEL', KEYS[2], ARGV[i])
end
at = at + back + 1
if at > #ARGV then return redis.call('LLEN', KEYS[3]) end
-- Counting one admission twice only admits later; missing one would exceed the rate.
local times = redis.call('LRANGE', KEYS[3], 0, -1)
for i = at, #ARGV do times[#times + 1] = ARGV[i] end
table.sort(times, function(a, b) return tonumber(a) < tonumber(b) end)
redis.call('DEL', KEYS[3])
for i = 1, #times do redis.call('RPUSH', KEYS[3], times[i]) end
return #times
