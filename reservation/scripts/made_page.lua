-- Reads a page of the reservations in the order in which they were made.
-- KEYS: 1 stock, 2 made
-- ARGV: 1 epoch, 2 when the stock was armed (ms), 3 position to begin at, 4 how many at most
-- Returns {'0', position of the first, members…}, {'1'} not ready, {'2'} another epoch or arming,
--   {'9'} another run.
-- When the position is before the front, it begins at the front: what was there is over, or stands further
-- back again.
local state, head = read_head(KEYS[1], ARGV[1], 'armed_ms', 'made_head')
if state == 0 and head[4] ~= ARGV[2] then state = 2 end
if state ~= 0 then return {digits(state)} end
local front = tonumber(head[5] or 0)
local from = math.max(front, tonumber(ARGV[3]))
local page = {'0', digits(from)}
for i, core in ipairs(redis.call('LRANGE', KEYS[2], from - front, from - front + ARGV[4] - 1)) do page[2 + i] = core end
return page
