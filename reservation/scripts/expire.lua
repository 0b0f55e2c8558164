-- Returns the units of reservations whose time is over, the longest overdue first, each once. Forgets to whom
-- the passes that are over belonged.
-- KEYS: 1 stock, 2 customers, 3 due, 4 made
-- ARGV: 1 prefix of the record keys (same hash tag) without the epoch, 2 how many at most (1…1000), 3 for how
--   long units are set aside (ms, see aside.lua)
-- Returns {0, entries taken off due, reservations expired}, {1} not ready, {9} another run
local state, head = read_head(KEYS[1])
if state ~= 0 then return {state} end
local now = clock()
local due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', digits(now), 'LIMIT', 0, ARGV[2])
if #due == 0 then return {0, 0, 0} end
local keys, passes = {}, {}
local prefix = ARGV[1] .. head[3] .. ':'
for _, member in ipairs(due) do
  if string.sub(member, 1, 1) == '#' then
    passes[#passes + 1] = member
  else
    keys[#keys + 1] = prefix .. member
  end
end
local records = #keys > 0 and redis.call('MGET', unpack(keys)) or {}
local expired = 0
for i, text in ipairs(records) do
  local r = text and read_record(text)
  if r and lapsed(r, now) then
    r.status = 'x'
    redis.call('SET', keys[i], write_record(r), 'PX', RESOLVED_KEEP_MS)
    move(r, 'held', 'available')
    charge(r, -1)
    note_back(r)
    expired = expired + 1
  end
end
redis.call('ZREM', KEYS[3], unpack(due))
if #passes > 0 then
  redis.call('HDEL', KEYS[2], unpack(passes))
  redis.call('HINCRBY', KEYS[1], 'bound', digits(-#passes))
end
write_stock(KEYS[1])
write_customers(KEYS[2])
if expired > 0 then
  set_aside(KEYS[1], now, ARGV[3])
  redis.call('HINCRBY', KEYS[1], 'returned', digits(expired))
  rotate_made(KEYS[1], KEYS[4], prefix, expired)
end
return {0, #due, expired}
