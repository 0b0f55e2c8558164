-- Reads a page of the reservations that hold units.
-- KEYS: 1 due
-- ARGV: 1 prefix of the record keys (same hash tag), 2 first rank, 3 last rank (at most 999 later)
-- Returns the members and their records in turn, '' for a record that is missing, and for a pass (see bound.lua)
local cores = redis.call('ZRANGE', KEYS[1], ARGV[2], ARGV[3])
if #cores == 0 then return {} end
local keys = {}
for i, core in ipairs(cores) do keys[i] = ARGV[1] .. core end
local page = {}
for i, text in ipairs(redis.call('MGET', unpack(keys))) do
  page[2 * i - 1], page[2 * i] = cores[i], text or ''
end
return page
