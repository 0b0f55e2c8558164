-- Puts back what the journal knows of single tickets, step by step, before arm.lua opens the room.
-- The first step removes what was there and notes the run of the server and the token; a later step that
-- finds another run, token or term writes nothing, as it would add to the work of somebody else.
-- KEYS those of the room, with all that lanes can have
-- ARGV 1 term of the leader  2 token of this restore  3 step, and then what it takes:
--      begin
--      passes   ticket, issued s (and ":" and how often it was renewed), expires s, and so on
--      admits   entries of the last minute's admissions as admitted_lately reads them, in order
--      used     lane, offset in bytes, part of the lane's bitmap
--      proven   uncertain numbers that have shown themselves
--      keyed    key, its place, and so on
-- returns {ok, term}, {ready, term} (to begin: the room is there and of this run, nothing is to be restored),
--   {anew, term} (this restore was not begun on this server, or another began since), {old_term, the later
--   term}
local h = redis.call('HMGET', KEYS[1], 'term', 'run', 'restoring')
local run, token, step = server_run(), ARGV[2], ARGV[3]
if h[1] and tonumber(h[1]) > tonumber(ARGV[1]) then return {'old_term', h[1]} end
if step == 'begin' then
  if h[2] and h[2] == run then return {'ready', ARGV[1]} end
  redis.call('UNLINK', unpack(KEYS))
  redis.call('HSET', KEYS[1], 'term', ARGV[1], 'restoring', token .. '@' .. run)
  return {'ok', ARGV[1]}
end
if not h[3] or h[3] ~= token .. '@' .. run then return {'anew', ARGV[1]} end
if step == 'passes' then
  for i = 4, #ARGV, 3 do
    redis.call('ZADD', KEYS[2], string.format('%.0f', ARGV[i + 2] * 1000), ARGV[i])
    redis.call('HSET', KEYS[8], ARGV[i], ARGV[i + 1])
  end
elseif step == 'admits' then
  redis.call('RPUSH', KEYS[3], unpack(ARGV, 4))
elseif step == 'used' then
  redis.call('SETRANGE', used_key(tonumber(ARGV[4])), ARGV[5], ARGV[6])
elseif step == 'proven' then
  redis.call('SADD', KEYS[10], unpack(ARGV, 4))
elseif step == 'keyed' then
  redis.call('HSET', KEYS[11], unpack(ARGV, 4))
end
return {'ok', ARGV[1]}
