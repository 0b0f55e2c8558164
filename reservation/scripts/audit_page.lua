-- Reads reservations that held units a moment ago.
-- KEYS: 1 due
-- ARGV: 1 prefix of the record keys (same hash tag), then at most 1,000 members of due
-- Returns in turn a record, '' when it is missing, and whether the member is still due: 1 or 0
local keys = {}
for i = 2, #ARGV do keys[i - 1] = ARGV[1] .. ARGV[i] end
local page = {}
for i, text in ipairs(redis.call('MGET', unpack(keys))) do
  page[2 * i - 1] = text or ''
  page[2 * i] = redis.call('ZSCORE', KEYS[1], ARGV[i + 1]) and 1 or 0
end
return page
