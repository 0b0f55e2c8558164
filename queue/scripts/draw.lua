-- Brings a draw forward by one step. Each step takes effect once and may be repeated.
-- KEYS 1 room
-- ARGV 1 term of the leader; '' for a share, which may be given at any process
--      2 step, and then what it takes:
--        round   the round of the beacon that will be used
--        count   the latest moment in ms, 0 for any: the count of entrants, which is journaled, may be published.
--                After that moment the round is forgotten, and another is to be chosen.
--        beacon  signature of the round (hex)
--        share   position among the parties  share (hex)
--        decide  which parts enter the seed (JSON)
-- returns {status, term}: ok, again (it was done before), early (not everything before is done), late (to count);
--   lost (no room, or that of another run of the server); or {old_term, the later term}
local h = redis.call('HMGET', KEYS[1], 'run', 'term', 'drawn', 'draw_round', 'count_kept', 'draw_beacon', 'draw_shares', 'draw_final')
if not h[1] or h[1] ~= server_run() then return {'lost', '0'} end
local term, step = ARGV[1], ARGV[2]
if term ~= '' and tonumber(h[2]) > tonumber(term) then return {'old_term', h[2]} end
local function empty(x) return not x or x == '' or x == '0' end
if h[3] ~= '1' then return {'early', term} end

if step == 'round' then
  if not empty(h[4]) or not empty(h[5]) then return {'again', term} end
  redis.call('HSET', KEYS[1], 'draw_round', ARGV[3])
  return {'ok', term}
end
if step == 'count' then
  if not empty(h[5]) then return {'again', term} end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if ARGV[3] ~= '0' and now >= tonumber(ARGV[3]) then
    redis.call('HSET', KEYS[1], 'draw_round', '0')
    return {'late', term}
  end
  redis.call('HSET', KEYS[1], 'count_kept', string.format('%.0f', now))
  return {'ok', term}
end

if empty(h[5]) then return {'early', term} end
if not empty(h[8]) then return {'again', term} end
if step == 'beacon' then
  redis.call('HSET', KEYS[1], 'draw_beacon', ARGV[3])
elseif step == 'share' then
  local entry = ARGV[3] .. '=' .. ARGV[4]
  for word in string.gmatch(h[7] or '', '%S+') do
    if word == entry then return {'again', term} end
  end
  redis.call('HSET', KEYS[1], 'draw_shares', (empty(h[7]) and '' or h[7] .. ' ') .. entry)
elseif step == 'decide' then
  redis.call('HSET', KEYS[1], 'draw_final', ARGV[3])
end
return {'ok', term}
