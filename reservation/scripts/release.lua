-- Gives the units of a held reservation back.
-- KEYS: 1 stock, 2 customers, 3 due, 4 made, 5 record
-- ARGV: 1 epoch, 2 the record's epoch, 3 member of due, 4 prefix of the record keys, 5 proof,
--   6 for how long units are set aside (ms, see aside.lua)
-- Returns {0, now, record} released, {1} not ready, {2} another epoch, {9} another run, {3} unknown,
--   {4} an order, {5, now, record} expired, {6, now, record} released before, {7} not the caller's. A reservation
--   whose time is over counts as expired, swept or not; its units go back here and now.
local state = read_head(KEYS[1], ARGV[1])
if state ~= 0 then return {state} end
local now = clock()
local text = redis.call('GET', KEYS[5])
local r = text and read_record(text)
if not r or r.epoch ~= ARGV[2] then return {3} end
if not may_dispose(r, ARGV[5]) then return {7} end
if r.status == 'c' or r.status == 'f' then return {4} end
if r.status == 'r' then return {6, now, text} end
if r.status == 'x' then return {5, now, text} end
local late = lapsed(r, now)
r.status = late and 'x' or 'r'
text = write_record(r)
redis.call('SET', KEYS[5], text, 'PX', RESOLVED_KEEP_MS)
redis.call('ZREM', KEYS[3], ARGV[3])
move(r, 'held', 'available')
charge(r, -1)
note_back(r)
set_aside(KEYS[1], now, ARGV[6])
write_stock(KEYS[1])
write_customers(KEYS[2])
redis.call('HINCRBY', KEYS[1], 'returned', '1')
rotate_made(KEYS[1], KEYS[4], ARGV[4], 1)
return {late and 5 or 0, now, text}
