-- Reads everything that a node needs to answer from memory. Changes nothing.
-- KEYS 1 room 2 passes 3 admits 4 calls 5 used 6 grace 7 changes 8 issued 9 resolved 10 proven 11 places by key
--   12 interest
-- ARGV 1 generation that the node knows  2 last change that it knows, -1 for counters alone
--      3 watermark that it knows  4 place from which it wants the calls (exclusive)
--      5 '1' for the leader, who wants to know of each open window how many came or left
-- returns {now in microseconds, room fields in the order below, active, {admissions in the last minute, those of
--   them that count no longer after the time from a call to its claim}, graces, resolved (field, count …), kind, calls (deadline, place …), entries …}
--   kind: none, delta (entries are changes), full (calls are all; entries are {ticket, expiry ms …}, {ticket,
--   grace ms …}, used bitmap, proven)
-- No room, or that of another run of the server, answers {now}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', time[1] * 1000000 + time[2])
local h = redis.call('HMGET', KEYS[1], 'gen', 'epoch', 'seq', 'entrants', 'mark', 'called', 'floor', 'rate', 'cap', 'window', 'ttl',
  'opens', 'starts', 'ends', 'ended', 'mode', 'order', 'paused_at', 'paused_total', 'seed', 'commitment', 'seed_kept', 'drawn',
  'draw_count', 'draw_kept', 'open_resolved', 'claimed', 'left', 'released', 'shown', 'noshow', 'seen_shown', 'seen_noshow',
  'credit', 'credit_at', 'showup', 'next_expiry', 'peak_active', 'peak_minute', 'cap_max', 'rate_max', 'version', 'delay', 'base', 'gaps', 'absent', 'prove_until', 'run', 'wanted',
  'draw_plan', 'frozen_at', 'draw_round', 'count_kept', 'draw_beacon', 'draw_shares', 'draw_final', 'limits_at', 'gone', 'rated', 'standby', 'arrivals', 'looked_at', 'calm_since')
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
if known < 0 then
  reply[7], reply[8], reply[9] = 'none', {}, {}
  return reply
end
if h[1] == ARGV[1] and (seq == known or seq > known and seq - known <= redis.call('LLEN', KEYS[7])) then
  reply[7], reply[8], reply[9] = 'delta', {}, {}
  if h[6] ~= ARGV[3] then
    reply[8] = redis.call('ZRANGEBYSCORE', KEYS[4], '(' .. ARGV[4], '+inf', 'WITHSCORES')
  end
  if seq > known then reply[9] = redis.call('LRANGE', KEYS[7], known - seq, -1) end
  return reply
end
reply[7] = 'full'
reply[8] = redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES')
reply[9] = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. string.format('%.0f', now), '+inf', 'WITHSCORES')
reply[10] = redis.call('ZRANGE', KEYS[6], 0, -1, 'WITHSCORES')
reply[11] = redis.call('GET', KEYS[5]) or ''
reply[12] = redis.call('SMEMBERS', KEYS[10])
return reply
