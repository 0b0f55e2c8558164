-- Reads the next of the places by key, for the leader to journal them again: the journal keeps no record for ever.
-- A round reads every place that was there when it began. How far it is, is kept here for the next leader.
-- KEYS 1 room 2 places by key
-- ARGV 1 ms from the beginning of a round to that of the next  2 how many places to read, about
--      3 the cursor that the answer before had, once what came with it is in the journal; else empty
-- returns {page, cursor, {key, value …}}, {rest, ms until the next round}, or {lost} (no room, or that of another run
--   of the server)
local room, places = KEYS[1], KEYS[2]
local h = redis.call('HMGET', room, 'run', 'places_round', 'places_cursor')
if not h[1] or h[1] ~= server_run() then return {'lost'} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local round, cursor = h[2] and tonumber(h[2]), h[3]
if cursor and ARGV[3] == '0' then
  redis.call('HDEL', room, 'places_cursor')
  cursor = nil
elseif cursor and ARGV[3] ~= '' then
  redis.call('HSET', room, 'places_cursor', ARGV[3])
  cursor = ARGV[3]
end
if not cursor then
  local rest = round and round + tonumber(ARGV[1]) - now or 0
  if rest > 0 then return {'rest', int(rest)} end
  redis.call('HSET', room, 'places_round', int(now), 'places_cursor', '0')
  cursor = '0'
end
local page = redis.call('HSCAN', places, cursor, 'COUNT', ARGV[2])
return {'page', page[1], page[2]}
