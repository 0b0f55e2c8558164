-- Gives places in one lane to those who come with a key: one place for each key. join() is join.lua; it numbers those
-- whose key has no place. A key that has a place, in whatever lane, keeps it. A value is number:epoch:issued ms:more, and begins with '?' until the journal has it.
-- KEYS those of the room
-- ARGV 1 generation in which places were worked out  2 most keys  3 most visitors that may wait
--      4 to 7 those of join.lua
--      then for each visitor:
--      persons (keys of one person, 12 bytes each: the first is written, the others are former spellings),
--      codes (keys of one invite, the same), '1' when a place is only looked for, more (goes into the value),
--      own (a value that becomes that of the person who has none, or empty), old (a value whose place is over, as
--      far as the node knows, or empty), the place of the number in old, or else of that in own, 0 when unknown
-- returns {the answer of join(), for each visitor: how, value}
--   how: new, had (a place that there was), none (for the reason that join() gave, or as it was only looked for)
local room, places = KEYS[1], KEYS[11]
local lane = tonumber(ARGV[7])
local h = redis.call('HMGET', room, 'run', 'gen', 'mode', 'paused_at', 'paused_total')
if not h[1] or h[1] ~= server_run() then return {join(KEYS, {'0', ARGV[3], '0', '-1', '0', '0', '0'})} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local paused_at = tonumber(h[4])
local run = (paused_at > 0 and paused_at or now) - tonumber(h[5])
local width = 12

-- Whether nothing more comes of a number, but perhaps by grace: left, missed, or its pass is over.
local function over(value, place)
  local number = string.match(value, '^%??(%d+):')
  if not number then return true end
  local of = lane_of(number)
  if redis.call('GETBIT', used_key(of), in_lane(number)) == 1 then
    local expires = redis.call('ZSCORE', KEYS[2], number)
    return not expires or tonumber(expires) <= now
  end
  if h[3] == 'open' then return false end
  local renewed_until = redis.call('ZSCORE', KEYS[6], number)
  if renewed_until then return run >= tonumber(renewed_until) end
  local at = tonumber(place)
  local line = redis.call('HMGET', room, field(of, 'called'), field(of, 'floor'))
  if ARGV[1] ~= h[2] or at == 0 or at > tonumber(line[1]) then return false end
  if at <= tonumber(line[2]) then return true end
  local deadline = redis.call('ZRANGEBYSCORE', calls_key(of), place, '+inf', 'LIMIT', 0, 1)[1]
  return not deadline or run >= tonumber(deadline)
end

local function find(keys)
  for at = 1, #keys, width do
    local value = redis.call('HGET', places, string.sub(keys, at, at + width - 1))
    if value then return value end
  end
end

local answers, fresh, mine = {}, {}, {}
local function write(v, value)
  for _, keys in ipairs({v.persons, v.codes}) do
    if keys ~= '' then redis.call('HSET', places, string.sub(keys, 1, width), value) end
    for at = width + 1, #keys, width do redis.call('HDEL', places, string.sub(keys, at, at + width - 1)) end
  end
end
local function answer(v, how, value)
  answers[v.at], answers[v.at + 1] = how, value
end

-- Whoever gets another place can no longer take up the turn that was missed.
local function end_grace(number)
  if not number or redis.call('SETBIT', used_key(lane_of(number)), in_lane(number), 1) == 1 then return end
  redis.call('HINCRBY', room, 'seq', 1)
  if redis.call('RPUSH', KEYS[7], 'l:' .. number) > 8192 then redis.call('LTRIM', KEYS[7], -4096, -1) end
end

local function bare(value) return string.gsub(value, '^%?', '') end

local function decide(v)
  local value = find(v.persons)
  if value and v.old ~= '' and bare(value) == v.old and over(value, v.place) then
    v.over, value = string.match(value, '^%??(%d+):'), nil
  end
  if not value then
    value = find(v.codes)
    if value and v.persons ~= '' and not over(value, v.place) then
      if string.sub(value, 1, 1) ~= '?' then value = '?' .. value end
      write(v, value)
      end_grace(v.over)
    end
  end
  if value then return answer(v, 'had', value) end
  if v.look == '1' then return answer(v, 'none', '') end
  if v.own ~= '' and v.old == '' then
    local number = string.match(v.own, '^(%d+):')
    local entrants = number and redis.call('HGET', room, field(lane_of(number), 'entrants'))
    if entrants and tonumber(in_lane(number)) <= tonumber(entrants) and not over(v.own, v.place) then
      write(v, '?' .. v.own)
      return answer(v, 'had', '?' .. v.own)
    end
  end
  -- Two of one batch with one key are one.
  local first = mine[v.persons] or mine[v.codes]
  if first then
    v.like = first
    fresh[#fresh + 1] = v
    return
  end
  if v.persons ~= '' then mine[v.persons] = v end
  if v.codes ~= '' then mine[v.codes] = v end
  fresh[#fresh + 1] = v
end

local at = 1
for i = 8, #ARGV, 7 do
  decide({at = at, persons = ARGV[i], codes = ARGV[i + 1], look = ARGV[i + 2], more = ARGV[i + 3], own = ARGV[i + 4],
    old = ARGV[i + 5], place = ARGV[i + 6]})
  at = at + 2
end

local wanted = 0
for _, v in ipairs(fresh) do
  if not v.like then wanted = wanted + 1 end
end
local spare = math.max(0, tonumber(ARGV[2]) - redis.call('HLEN', places))
local given = join(KEYS, {string.format('%.0f', math.min(wanted, spare)), ARGV[3], '0', ARGV[4], ARGV[5], ARGV[6], ARGV[7]})
if wanted > spare and given[1] == 'ok' then given[1] = 'full' end

local number, left = tonumber(given[2]) + lane * LANE, given[3]
for _, v in ipairs(fresh) do
  if v.like then
    v.value = v.like.value
    answer(v, v.value and 'had' or 'none', v.value or '')
  elseif left > 0 then
    v.value = '?' .. string.format('%.0f', number) .. ':' .. given[6] .. ':' .. given[5] .. ':' .. v.more
    write(v, v.value)
    end_grace(v.over)
    answer(v, 'new', v.value)
    number, left = number + 1, left - 1
  else
    answer(v, 'none', '')
  end
end
return {given, unpack(answers)}
