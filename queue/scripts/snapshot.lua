-- Reads everything that a node needs to answer from memory. Changes nothing.
-- KEYS those of the room, with those of the lanes that the node knows
-- ARGV 1 generation that the node knows  2 last change that it knows, -1 for counters alone
--      3 watermark that it knows  4 place from which it wants the calls (exclusive)
--      5 '1' for the leader, who wants to know of each open window how many came or left
--      then for each lane that the node knows, beside that of everybody, what 3 and 4 are for that lane
-- returns {now in microseconds, room fields in the order below, active, {admissions in the last minute, those of
--   them that count no longer after the time from a call to its claim}, renewed windows, resolved (field, count …), kind, calls
--   (deadline, place …), entries, lanes …}
--   kind: none, delta (entries are changes), full (calls are all; entries are {ticket, expiry ms …}, and behind the
--   lanes follow {ticket, end of its renewed window ms …}, used bitmap, proven)
--   lanes: for each, {its fields in the order below}, calls as above, used bitmap (to full)
-- No room, or that of another run of the server, answers {now}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', time[1] * 1000000 + time[2])
local h = redis.call('HMGET', KEYS[1], 'gen', 'epoch', 'seq', 'entrants', 'mark', 'called', 'floor', 'rate', 'cap', 'window', 'ttl',
  'opens', 'starts', 'ends', 'ended', 'mode', 'order', 'paused_at', 'paused_total', 'seed', 'commitment', 'seed_kept', 'drawn',
  'draw_count', 'draw_kept', 'open_resolved', 'claimed', 'left', 'released', 'shown', 'noshow', 'seen_shown', 'seen_noshow',
  'credit', 'credit_at', 'showup', 'next_expiry', 'peak_active', 'peak_minute', 'cap_max', 'rate_max', 'version', 'delay', 'base', 'gaps', 'absent', 'prove_until', 'run', 'wanted',
  'draw_plan', 'frozen_at', 'draw_round', 'count_kept', 'draw_beacon', 'draw_shares', 'draw_final', 'limits_at', 'gone', 'rated', 'standby', 'arrivals', 'looked_at', 'calm_since', 'owed', 'lanes',
  'late', 'late_window', 'forgotten')
if not h[1] or h[48] ~= server_run() then return {stamp} end

local active, next_expiry = redis.call('ZCARD', KEYS[2]), tonumber(h[37])
if next_expiry > 0 and next_expiry <= now then
  active = redis.call('ZCOUNT', KEYS[2], '(' .. string.format('%.0f', now), '+inf')
end

local minute = admitted_lately(KEYS[3], now, tonumber(h[59]))
local later = admitted_lately(KEYS[3], now + math.max(0, tonumber(h[43])), tonumber(h[59]))
local reply = {stamp, h, active, {minute, minute - later}, redis.call('ZCARD', KEYS[6]), {}}
if ARGV[5] == '1' then reply[6] = redis.call('HGETALL', KEYS[9]) end

local known, seq = tonumber(ARGV[2]), tonumber(h[3])
local kind = 'full'
if known < 0 then
  kind = 'none'
elseif h[1] == ARGV[1] and (seq == known or seq > known and seq - known <= redis.call('LLEN', KEYS[7])) then
  kind = 'delta'
end
reply[7], reply[8], reply[9], reply[10] = kind, {}, {}, {}

-- The windows of a lane that the node does not know, those too whose grace lasts.
local function windows(lane, called, known_called, from)
  if kind == 'full' then return redis.call('ZRANGE', calls_key(lane), 0, -1, 'WITHSCORES') end
  if kind == 'none' or called == known_called then return {} end
  return redis.call('ZRANGEBYSCORE', calls_key(lane), '(' .. from, '+inf', 'WITHSCORES')
end
reply[8] = windows(0, h[6], ARGV[3], ARGV[4])
for lane = 1, math.min(tonumber(h[65] or 0), (#KEYS - ROOM_KEYS) / 2) do
  local names = {'entrants', 'mark', 'called', 'floor', 'open_resolved', 'base', 'gaps', 'absent', 'gone', 'owed', 'draw_count', 'forgotten'}
  for i, name in ipairs(names) do names[i] = field(lane, name) end
  local fields = redis.call('HMGET', KEYS[1], unpack(names))
  reply[10][3 * lane - 2] = fields
  reply[10][3 * lane - 1] = windows(lane, fields[3], ARGV[4 + 2 * lane], ARGV[5 + 2 * lane])
  reply[10][3 * lane] = kind == 'full' and redis.call('GET', used_key(lane)) or ''
end
if kind == 'none' then return reply end
if kind == 'delta' then
  if seq > known then reply[9] = redis.call('LRANGE', KEYS[7], known - seq, -1) end
  return reply
end
reply[9] = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. string.format('%.0f', now), '+inf', 'WITHSCORES')
reply[11] = redis.call('ZRANGE', KEYS[6], 0, -1, 'WITHSCORES')
reply[12] = redis.call('GET', KEYS[5]) or ''
reply[13] = redis.call('SMEMBERS', KEYS[10])
return reply
