-- The one clock of a sale: the time of Redis, in whole milliseconds.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
-- Writes a number of milliseconds without an exponent.
local function digits(n) return string.format('%.0f', tonumber(n)) end
