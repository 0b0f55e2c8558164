-- Gives a held reservation its full time again, counted from now, up to the sale's number of extensions.
-- KEYS: 1 stock, 2 due, 3 record
-- ARGV: 1 epoch, 2 the record's epoch, 3 member of due, 4 proof
-- Returns {0, now, record} extended, {1} not ready, {2} another epoch, {9} another run, {3} unknown,
--   {4} resolved, {5} expired, {6} no extension left, {7} not the caller's
local state, head = read_head(KEYS[1], ARGV[1], 'ttl_ms', 'max_extensions')
if state ~= 0 then return {state} end
local now = clock()
local text = redis.call('GET', KEYS[3])
local r = text and read_record(text)
if not r or r.epoch ~= ARGV[2] then return {3} end
if not may_dispose(r, ARGV[4]) then return {7} end
if r.status == 'x' or lapsed(r, now) then return {5} end
if r.status ~= 'h' then return {4} end
if tonumber(r.extensions) >= tonumber(head[5]) then return {6} end
r.extensions = digits(r.extensions + 1)
r.expires = digits(now + tonumber(head[4]))
text = write_record(r)
redis.call('SET', KEYS[3], text)
redis.call('ZADD', KEYS[2], r.expires, ARGV[3])
return {0, now, text}
