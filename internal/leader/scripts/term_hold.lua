-- Begins a term when nobody leads, or prolongs the caller's own.
-- The number of a term is larger than that of every term before it: it is the time of Redis in ms, or one
-- more than the last number when the clock has gone back. So it grows although Redis may have lost the last
-- number.
-- KEYS: 1 the lease, 2 the last number (both in one slot)
-- ARGV: 1 caller, 2 how long the lease lasts in ms, 3 a number that a new term must be larger than
-- Returns the number of the caller's term, or 0 when somebody else leads
local held = redis.call('GET', KEYS[1])
if held then
  local number, owner = string.match(held, '^(%d+) (.*)$')
  if owner ~= ARGV[1] then return 0 end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return tonumber(number)
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local number = string.format('%.0f', math.max(now, last + 1, ARGV[3] + 1))
redis.call('SET', KEYS[2], number)
redis.call('SET', KEYS[1], number .. ' ' .. ARGV[1], 'PX', ARGV[2])
return tonumber(number)
