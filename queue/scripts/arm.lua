-- Makes the room of a sale, or brings its settings up to date. What has been counted stays, unless a restore knows more.
-- A pause stops the room's own time, by which claim windows are measured, and a resume lets it go on.
-- KEYS 1 room 2 passes 3 admits 4 calls 5 used 6 grace 7 changes 8 issued 9 resolved
-- ARGV 1 version 2 epoch 3 opens 4 starts 5 ends (ms) 6 ended (0 or 1) 7 paused (0 or 1) 8 mode 9 order
--      10 rate per minute 11 cap 12 window ms 13 pass ttl ms 14 seed (hex) and 15 commitment for a new room
--      16 '1' to restore, and then: 17 mark 18 watermark 19 floor 20 claimed 21 left 22 released 23 seed (hex, or empty)
--      24 commitment 25 drawn (0 or 1) 26 draw count 27 first expiry ms or 0
-- returns made, kept (settings applied), or older (a newer version is in force)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- A number that Redis gave back is text, which string.format takes on Redis and not on every other Lua.
local function int(x) return string.format('%.0f', tonumber(x)) end
local restore = ARGV[16] == '1'
local status = 'kept'

if redis.call('EXISTS', KEYS[1]) == 0 then
  status = 'made'
  if not restore then
    redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9])
  end
  redis.call('HSET', KEYS[1], 'version', '-1', 'entrants', '0', 'mark', '0', 'called', '0', 'floor', '0', 'last_deadline', '0',
    'open_resolved', '0', 'claimed', '0', 'left', '0', 'released', '0', 'shown', '0', 'noshow', '0', 'seen_shown', '0',
    'seen_noshow', '0', 'seq', '0', 'credit', '-1', 'credit_at', '0', 'showup', '1', 'delay', '-1', 'paused_at', '0', 'paused_total', '0',
    'seed', ARGV[14], 'commitment', ARGV[15], 'seed_kept', '0', 'drawn', '0', 'draw_count', '0', 'draw_kept', '0',
    'next_expiry', '0', 'peak_active', '0', 'peak_minute', '0', 'cap_max', '0', 'rate_max', '0', 'order', ARGV[9])
end

local h = redis.call('HMGET', KEYS[1], 'version', 'epoch', 'paused_at', 'paused_total', 'order', 'drawn', 'called', 'cap_max', 'rate_max',
  'entrants', 'mark', 'floor', 'claimed', 'left', 'released', 'next_expiry', 'window')
if not restore and tonumber(ARGV[1]) < tonumber(h[1]) then return 'older' end

local paused_at, paused_total = tonumber(h[3]), tonumber(h[4])
if ARGV[7] == '1' and paused_at == 0 then
  paused_at = now
elseif ARGV[7] ~= '1' and paused_at > 0 then
  paused_total = paused_total + math.max(0, now - paused_at)
  paused_at = 0
end
-- The rule of the line is not changed under the feet of those who have a place by it.
local order = ARGV[9]
if h[6] == '1' or tonumber(h[7]) > 0 then order = h[5] end
local regenerate = status == 'made' or restore or order ~= h[5]

redis.call('HSET', KEYS[1], 'version', ARGV[1], 'epoch', ARGV[2], 'opens', ARGV[3], 'starts', ARGV[4], 'ends', ARGV[5],
  'ended', ARGV[6], 'paused_at', int(paused_at), 'paused_total', int(paused_total), 'mode', ARGV[8], 'order', order,
  'rate', ARGV[10], 'cap', ARGV[11], 'window', ARGV[12], 'ttl', ARGV[13],
  'rate_max', int(math.max(tonumber(h[9]), tonumber(ARGV[10]))), 'cap_max', int(math.max(tonumber(h[8]), tonumber(ARGV[11]))))

if restore then
  local function larger(field, at, value)
    local best = math.max(tonumber(h[at]), tonumber(value))
    redis.call('HSET', KEYS[1], field, int(best))
    return best
  end
  -- Numbers up to the mark may have been given: those who come now continue behind it.
  local mark = larger('mark', 11, ARGV[17])
  redis.call('HSET', KEYS[1], 'entrants', int(mark))
  local called = larger('called', 7, math.min(tonumber(ARGV[18]), mark))
  local floor = math.min(larger('floor', 12, ARGV[19]), called)
  larger('claimed', 13, ARGV[20])
  larger('left', 14, ARGV[21])
  larger('released', 15, ARGV[22])
  if ARGV[23] ~= '' then
    redis.call('HSET', KEYS[1], 'seed', ARGV[23], 'commitment', ARGV[24], 'seed_kept', '1')
    if ARGV[25] == '1' then
      redis.call('HSET', KEYS[1], 'drawn', '1', 'draw_count', ARGV[26], 'draw_kept', '1', 'order', 'draw')
    end
  end
  -- Open windows start again, as one.
  redis.call('DEL', KEYS[4], KEYS[6], KEYS[7], KEYS[9])
  local run = (paused_at > 0 and paused_at or now) - paused_total
  redis.call('HSET', KEYS[1], 'floor', int(floor), 'open_resolved', '0', 'last_deadline', '0', 'seq', '0', 'credit', '-1')
  if called > floor then
    local deadline = int(run + tonumber(ARGV[12]))
    redis.call('ZADD', KEYS[4], int(called), deadline)
    redis.call('HSET', KEYS[1], 'last_deadline', deadline)
  end
  local first = tonumber(ARGV[27])
  local next_expiry = tonumber(h[16])
  if first > 0 and (next_expiry == 0 or first < next_expiry) then
    redis.call('HSET', KEYS[1], 'next_expiry', int(first))
  end
end
if regenerate then
  redis.call('HSET', KEYS[1], 'gen', int(time[1] * 1000000 + time[2]) .. '-' .. string.sub(ARGV[15], 1, 8))
end
return status
