-- Hands out entry numbers to those who join, never above the journaled high-water mark.
-- KEYS[1] room (hash)
-- ARGV[1] numbers wanted  ARGV[2] most visitors that may wait
-- returns {status, first number, numbers granted, mark, now in ms, epoch}; when fewer are granted than wanted
--   the status says why: ok, raise (the mark is reached), full, closed, early, ended, gone (no such room)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local h = redis.call('HMGET', KEYS[1], 'opens', 'starts', 'ends', 'ended', 'mode', 'order', 'entrants', 'mark', 'called', 'drawn', 'epoch')
if not h[1] then return {'gone', '0', 0, '0', string.format('%.0f', now), '0'} end
local entrants, mark, called = tonumber(h[7]), tonumber(h[8]), tonumber(h[9])

local function answer(status, granted)
  return {status, string.format('%.0f', entrants + 1), granted, string.format('%.0f', mark), string.format('%.0f', now), h[11]}
end

if h[4] == '1' or now >= tonumber(h[3]) then return answer('ended', 0) end
if now < tonumber(h[1]) then return answer('early', 0) end
if h[5] == 'closed' then return answer('closed', 0) end

-- The first call at or after the start fixes who takes part in the draw, be it this script or advance.
if h[6] == 'draw' and h[10] == '0' and now >= tonumber(h[2]) then
  redis.call('HSET', KEYS[1], 'drawn', '1', 'draw_count', h[7])
end

local granted, status = tonumber(ARGV[1]), 'ok'
local room = tonumber(ARGV[2]) - (entrants - called)
if granted > room then granted, status = math.max(room, 0), 'full' end
if granted > mark - entrants then granted, status = mark - entrants, 'raise' end
local reply = answer(status, granted)
if granted > 0 then
  redis.call('HSET', KEYS[1], 'entrants', string.format('%.0f', entrants + granted))
end
return reply
