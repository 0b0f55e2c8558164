-- Gives a held reservation its full time again, counted from now, up to the sale's number of extensions.
-- KEYS: 1 stock, 2 due, 3 record
-- ARGV: 1 epoch, 2 the record's epoch, 3 member of due
-- Returns {0, now, record} extended, {1} not armed, {2} stale epoch, {3} unknown, {4} resolved, {5} expired, {6} no extension left
local head = redis.call('HMGET', KEYS[1], 'ready', 'epoch', 'ttl_ms', 'max_extensions')
if head[1] ~= '1' then return {1} end
if head[2] ~= ARGV[1] then return {2} end
local now = clock()
local text = redis.call('GET', KEYS[3])
local r = text and read_record(text)
if not r or r.epoch ~= ARGV[2] then return {3} end
if r.status == 'x' or lapsed(r, now) then return {5} end
if r.status ~= 'h' then return {4} end
if tonumber(r.extensions) >= tonumber(head[4]) then return {6} end
r.extensions = digits(r.extensions + 1)
r.expires = digits(now + tonumber(head[3]))
text = write_record(r)
redis.call('SET', KEYS[3], text)
redis.call('ZADD', KEYS[2], r.expires, ARGV[3])
return {0, now, text}
