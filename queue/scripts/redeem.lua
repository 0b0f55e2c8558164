-- Takes a code that was given to an admitted visitor, once. A code that is older than one of the same ticket
-- that was taken is not good any more, so that one key a ticket is all that is kept. Idempotent by the name
-- of the request.
-- KEYS 1 room 2 passes 3 issued 4 the last code of the ticket that was taken
-- ARGV 1 ticket number  2 epoch of the sale when the code was made  3 when that was, µs  4 how long a code is
--      good, ms  5 name of the request
-- returns {status, issued s, expires s}
--   ok        the pass with its times
--   used      this code, or a later one of the ticket, was taken
--   expired   the code is too old, or its sale was made again since
--   over      there is no such pass any more
--   lost      no room, or that of another run of the server
local h = redis.call('HMGET', KEYS[1], 'run', 'epoch')
if not h[1] or h[1] ~= server_run() then return {'lost', '0', '0'} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local number, made, life = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local age = now - math.floor(made / 1000)
-- The node that made the code told the time by this clock, within far less than the life of a code.
if h[2] ~= ARGV[2] or age >= life or age <= -life then return {'expired', '0', '0'} end

local last = redis.call('GET', KEYS[4])
if last then
  local at, request = string.match(last, '^(%d+) (.*)$')
  if tonumber(at) > made or tonumber(at) == made and request ~= ARGV[5] then return {'used', '0', '0'} end
end

local expires = redis.call('ZSCORE', KEYS[2], number)
if not expires or tonumber(expires) <= now then return {'over', '0', '0'} end
local issued = string.match(redis.call('HGET', KEYS[3], number) or '', '^%d+') or '0'
-- A pass that is younger than the code belongs to somebody else: the sale was made anew, and its numbers began
-- again. Times of issue are whole seconds, rounded down.
if tonumber(issued) * 1000 > made / 1000 + 1000 then return {'expired', '0', '0'} end

-- Kept for longer than the code is good: on the embedded engine a key may end up to 2 s early.
redis.call('SET', KEYS[4], ARGV[3] .. ' ' .. ARGV[5], 'PX', string.format('%.0f', life - age + 10000))
return {'ok', issued, string.format('%.0f', tonumber(expires) / 1000)}
