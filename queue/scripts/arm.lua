-- Makes the room of a sale, or brings the settings of one that is there up to date; what has been counted
-- stays. A pause stops the room's own time, by which claim windows are measured, and a resume lets it go on; so
-- does the mode closed, in which nobody is admitted and nobody loses a turn.
-- KEYS those of the room, with all that lanes can have
-- ARGV 1 term of the leader
--      2 change (only a room that is there), make (a new one where there is none),
--        restore (complete what restore.lua began)
--      3 token of the restore, then name, value, and so on:
--        lanes (how many there are beside that of everybody)
--        version epoch opens starts ends (ms) ended paused (0 or 1) mode order
--        rate (per minute) cap window ttl (ms) late_window (ms; 0 when nobody may be late) renew_by (ms) renew_most
--        plan (what else enters the draw, JSON or empty; as it is when the doors open), seed (hex) and commitment
--        for a new room; and to restore:
--        mark, watermark, floor, claimed, left, released, kept_seed (hex, or empty), kept_commitment, kept_plan,
--        drawn (0 or 1: the counts were frozen), draw_count, frozen_at and count_kept (ms, or 0), round, shares, final
--        (the parts that entered, or empty), draw_kept (0 or 1), first_expiry (ms, or 0), gaps (first-last … of uncertain numbers), absent (how
--        many of those may still be called), gone (how many used tickets the line has yet to pass over), rated
--        (admissions of the last minute), resolved (how many of those called above the floor nobody waits
--        for), prove_near and prove_far (how long the line waits for them, ms: from now, and before the
--        start); of lanes beside that of everybody, mark, watermark, floor, gaps, absent, gone, resolved and draw_count
--        have the number of the lane in front, "1:mark"
-- returns {made or kept or older (a newer version is in force), term}, {lost, term} (to change: there is no
--   room of this run), {anew, term} (to restore: begin again), {old_term, the later term}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local term, step, run = ARGV[1], ARGV[2], server_run()
local a = {}
for i = 4, #ARGV, 2 do a[ARGV[i]] = ARGV[i + 1] end

local had = redis.call('HMGET', KEYS[1], 'term', 'run', 'restoring')
if had[1] and tonumber(had[1]) > tonumber(term) then return {'old_term', had[1]} end
local there = had[2] and had[2] == run
if step == 'change' and not there then return {'lost', term} end
local restore = step == 'restore' and not there
if restore and (not had[3] or had[3] ~= ARGV[3] .. '@' .. run) then return {'anew', term} end

if not there then
  if restore then redis.call('DEL', KEYS[1]) else redis.call('UNLINK', unpack(KEYS)) end
  redis.call('HSET', KEYS[1], 'version', '-1', 'entrants', '0', 'mark', '0', 'top', '0', 'base', '0', 'called', '0', 'floor', '0',
    'last_deadline', '0', 'open_resolved', '0', 'claimed', '0', 'left', '0', 'released', '0', 'shown', '0', 'noshow', '0',
    'seen_shown', '0', 'seen_noshow', '0', 'seq', '0', 'credit', '-1', 'credit_at', '0', 'showup', '1', 'delay', '-1',
    'paused_at', '0', 'paused_total', '0', 'seed', a.seed, 'commitment', a.commitment, 'seed_kept', '0', 'drawn', '0',
    'draw_count', '0', 'draw_kept', '0', 'next_expiry', '0', 'peak_active', '0', 'peak_minute', '0', 'cap_max', '0', 'rate_max', '0',
    'order', a.order, 'gaps', '', 'absent', '0', 'prove_until', '0', 'wanted', '', 'gone', '0', 'rated', '0',
    'standby', '0', 'arrivals', '0', 'looked_at', '0', 'calm_since', '0', 'owed', '0', 'late', '0')
end

local h = redis.call('HMGET', KEYS[1], 'version', 'paused_at', 'paused_total', 'order', 'drawn', 'called', 'cap_max', 'rate_max', 'seed_kept',
  'rate', 'cap', 'mode', 'standby', 'entrants', 'absent', 'gone')
if tonumber(a.version) < tonumber(h[1]) then return {'older', term} end
-- The sale's document says which lanes there are, and does not change them once the doors are open.
redis.call('HSET', KEYS[1], 'lanes', a.lanes)
for lane = 1, tonumber(a.lanes) do
  if redis.call('HEXISTS', KEYS[1], field(lane, 'entrants')) == 0 then
    for _, name in ipairs({'entrants', 'mark', 'top', 'base', 'called', 'floor', 'last_deadline', 'open_resolved', 'absent', 'gone', 'owed', 'draw_count'}) do
      redis.call('HSET', KEYS[1], field(lane, name), '0')
    end
    redis.call('HSET', KEYS[1], field(lane, 'gaps'), '')
  end
end
-- A new room has closed no window yet. In one that an earlier version made, their grace is over.
for lane = 0, tonumber(a.lanes) do
  redis.call('HSETNX', KEYS[1], field(lane, 'forgotten'), redis.call('HGET', KEYS[1], field(lane, 'floor')))
end
local paused_at, paused_total = tonumber(h[2]), tonumber(h[3])
-- A sale in standby begins with the gate open, unless somebody waits or it comes back from a loss, when it is not
-- known how many come. Then the leader decides.
local mode, standby = a.mode, a.mode == 'standby' and '1' or '0'
if standby == '1' then
  local waits = tonumber(h[14]) - tonumber(h[6]) - tonumber(h[15]) - tonumber(h[16]) > 0
  for lane = 1, tonumber(a.lanes) do
    local l = redis.call('HMGET', KEYS[1], field(lane, 'entrants'), field(lane, 'called'), field(lane, 'absent'), field(lane, 'gone'))
    waits = waits or tonumber(l[1]) - tonumber(l[2]) - tonumber(l[3]) - tonumber(l[4]) > 0
  end
  if there and h[13] == '1' then mode = h[12] elseif restore or waits then mode = 'queue' else mode = 'open' end
end
local stands = a.paused == '1' or a.mode == 'closed'
if stands and paused_at == 0 then
  paused_at = now
elseif not stands and paused_at > 0 then
  paused_total = paused_total + math.max(0, now - paused_at)
  paused_at = 0
end
-- Those who have a place by a rule keep it: the rule does not change any more.
local order = a.order
if h[5] == '1' or tonumber(h[6]) > 0 then order = h[4] end

redis.call('HSET', KEYS[1], 'term', term, 'run', run, 'version', a.version, 'epoch', a.epoch, 'opens', a.opens, 'starts', a.starts,
  'ends', a.ends, 'ended', a.ended, 'paused_at', int(paused_at), 'paused_total', int(paused_total), 'mode', mode, 'standby', standby, 'order', order,
  'rate', a.rate, 'cap', a.cap, 'window', a.window, 'ttl', a.ttl, 'late_window', a.late_window, 'renew_by', a.renew_by, 'renew_most', a.renew_most,
  'rate_max', int(math.max(tonumber(h[8]), tonumber(a.rate))), 'cap_max', int(math.max(tonumber(h[7]), tonumber(a.cap))))

-- The report on a sale compares the admissions with the limits that were in force.
if h[10] ~= a.rate or h[11] ~= a.cap or h[12] ~= mode then redis.call('HSET', KEYS[1], 'limits_at', int(now)) end
-- What enters the draw does not change any more once it was published with the commitment.
if h[9] ~= '1' then redis.call('HSET', KEYS[1], 'draw_plan', a.plan) end

if restore then
  -- Numbers up to the mark may have been given: those who come now continue behind it.
  local own = (paused_at > 0 and paused_at or now) - paused_total
  local wait = tonumber(a.prove_near)
  if now < tonumber(a.starts) then wait = math.min(tonumber(a.prove_far), tonumber(a.starts) - now + wait) end
  redis.call('HSET', KEYS[1], 'claimed', a.claimed, 'left', a.left, 'released', a.released, 'next_expiry', a.first_expiry,
    'rated', a.rated, 'prove_until', int(own + wait))
  for lane = 0, tonumber(a.lanes) do
    local function of(name) return a[field(lane, name)] end
    local mark = of('mark')
    local called = math.min(tonumber(of('watermark')), tonumber(mark))
    local floor = math.min(tonumber(of('floor')), called)
    redis.call('HSET', KEYS[1], field(lane, 'mark'), mark, field(lane, 'top'), mark, field(lane, 'base'), mark,
      field(lane, 'entrants'), mark, field(lane, 'called'), int(called), field(lane, 'floor'), int(floor),
      field(lane, 'forgotten'), int(floor), -- who came too late before the loss has lost the turn
      field(lane, 'gaps'), of('gaps'), field(lane, 'absent'), of('absent'), field(lane, 'gone'), of('gone'))
    if called > floor then -- open windows start again, as one
      local deadline = int(own + tonumber(a.window))
      redis.call('ZADD', calls_key(lane), int(called), deadline)
      redis.call('HSET', KEYS[1], field(lane, 'last_deadline'), deadline, field(lane, 'open_resolved'), of('resolved'))
      redis.call('HSET', KEYS[9], field(lane, 'l' .. deadline), of('resolved'))
    end
  end
  if a.kept_seed ~= '' then
    redis.call('HSET', KEYS[1], 'seed', a.kept_seed, 'commitment', a.kept_commitment, 'seed_kept', '1', 'draw_plan', a.kept_plan)
    if a.drawn == '1' then
      for lane = 0, tonumber(a.lanes) do redis.call('HSET', KEYS[1], field(lane, 'draw_count'), a[field(lane, 'draw_count')]) end
      redis.call('HSET', KEYS[1], 'drawn', '1', 'frozen_at', a.frozen_at, 'draw_round', a.round,
        'count_kept', a.count_kept, 'draw_shares', a.shares, 'draw_final', a.final, 'draw_kept', a.draw_kept, 'order', 'draw')
    end
  end
end
if not there or order ~= h[4] then
  redis.call('HSET', KEYS[1], 'gen', int(time[1] * 1000000 + time[2]) .. '-' .. string.sub(a.commitment, 1, 8))
end
return {there and 'kept' or 'made', term}
