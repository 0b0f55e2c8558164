-- Finds orders that have waited in the outbox for longer than they should, in no particular order.
-- KEYS: 1 stock, 2 outbox
-- ARGV: 1 cursor ('0' = from the beginning), 2 age in ms, 3 how many at most, 4 how many bytes at most
-- Returns {'0', next cursor, then member, the record's epoch, order of each}, {'1'} not ready, {'9'} another
--   run.
-- The walk is over when the cursor is '0'.
local state = read_head(KEYS[1])
if state ~= 0 then return {digits(state)} end
local before = clock() - ARGV[2]
local limit, room = tonumber(ARGV[3]), tonumber(ARGV[4])
local cursor, found = ARGV[1], {'0', '0'}
for _ = 1, 20 do
  local page = redis.call('HSCAN', KEYS[2], cursor, 'COUNT', 100)
  local entries = page[2]
  for i = 1, #entries, 2 do
    local since, epoch, order = string.match(entries[i + 1], '^(%d+) (%d+) (.*)$')
    if since and tonumber(since) <= before and limit > 0 and room > 0 then
      local n = #found
      found[n + 1], found[n + 2], found[n + 3] = entries[i], epoch, order
      limit, room = limit - 1, room - #order
    end
  end
  cursor = page[1]
  if cursor == '0' or limit <= 0 or room <= 0 then break end
end
found[2] = cursor
return found
