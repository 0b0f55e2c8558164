-- Hands out entry numbers to those who join, never above the journaled high-water mark.
-- KEYS[1] room (hash)
-- ARGV[1] numbers wanted  ARGV[2] most visitors that may wait, then, of those who name items, which of the wanted
--   they are (1…) and the marks of the items, and so on
-- returns {status, first number, numbers granted, highest mark ever journaled, now in ms, epoch, base}; when
--   fewer are granted than wanted the status says why: ok, raise (the mark is reached), full, closed, early,
--   ended, or lost (no room, or that of another run of the server)
--   base: the numbers above it were all given by this room, and those up to it by an earlier one
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local h = redis.call('HMGET', KEYS[1], 'opens', 'starts', 'ends', 'ended', 'mode', 'order', 'entrants', 'mark', 'called', 'drawn', 'epoch',
  'run', 'top', 'base', 'absent')
if not h[1] or h[12] ~= server_run() then return {'lost', '0', 0, '0', string.format('%.0f', now), '0', '0'} end
local entrants, mark, called = tonumber(h[7]), tonumber(h[8]), tonumber(h[9])

local function answer(status, granted)
  return {status, string.format('%.0f', entrants + 1), granted, h[13], string.format('%.0f', now), h[11], h[14]}
end

if h[4] == '1' or now >= tonumber(h[3]) then return answer('ended', 0) end
if now < tonumber(h[1]) then return answer('early', 0) end
if h[5] == 'closed' then return answer('closed', 0) end

-- The first call at or after the start fixes who takes part in the draw, be it this script or advance.
if h[6] == 'draw' and h[10] == '0' and now >= tonumber(h[2]) then
  redis.call('HSET', KEYS[1], 'drawn', '1', 'draw_count', h[7])
end

local granted, status = tonumber(ARGV[1]), 'ok'
-- Numbers of which it is not known that anybody has them take no room.
local room = tonumber(ARGV[2]) - math.max(0, entrants - called - tonumber(h[15]))
if granted > room then granted, status = math.max(room, 0), 'full' end
if granted > mark - entrants then granted, status = mark - entrants, 'raise' end
local reply = answer(status, granted)
if granted > 0 then
  redis.call('HSET', KEYS[1], 'entrants', string.format('%.0f', entrants + granted))
  if #ARGV > 2 then
    local w = read_wanted(redis.call('HGET', KEYS[1], 'wanted'))
    for i = 3, #ARGV, 2 do
      if tonumber(ARGV[i]) <= granted then count_wanted(w, ARGV[i + 1], 1) end
    end
    redis.call('HSET', KEYS[1], 'wanted', write_wanted(w))
  end
end
return reply
