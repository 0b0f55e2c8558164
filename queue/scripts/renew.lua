-- Prolongs an active pass, as often as the sale says. Its slot stays taken. Idempotent: whoever presents an end that
-- is not the pass's own any more was heard before, and is told the pass as it is.
-- KEYS 1 room 2 passes 3 admits 4 calls 5 used 6 grace 7 changes 8 issued
-- ARGV 1 ticket number  2 the end of the pass as it was presented, s
-- returns {status, issued s, expires s, how often it was renewed, now ms, how often it may be}
--   ok, again      the pass with its times
--   most           it was renewed as often as it may be
--   off            the sale renews no passes
--   over           there is no such pass any more
--   ended, early   the sale is over, or has not started
--   lost           no room, or that of another run of the server
local h = redis.call('HMGET', KEYS[1], 'run', 'starts', 'ends', 'ended', 'renew_by', 'renew_most')
if not h[1] or h[1] ~= server_run() then return {'lost', '0', '0', '0', '0', '0'} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local number, by, most = ARGV[1], tonumber(h[5] or 0), tonumber(h[6] or 0)
local expires = tonumber(redis.call('ZSCORE', KEYS[2], number) or 0)
if expires <= now then return {'over', '0', '0', '0', int(now), int(most)} end
local issued, times = string.match(redis.call('HGET', KEYS[8], number) or '', '^(%d+):?(%d*)$')
issued, times = tonumber(issued or 0), tonumber(times) or 0

local function answer(status)
  return {status, int(issued), int(expires / 1000), int(times), int(now), int(most)}
end

if tonumber(ARGV[2]) * 1000 < expires then return answer('again') end
if h[4] == '1' or now >= tonumber(h[3]) then return answer('ended') end
if now < tonumber(h[2]) then return answer('early') end
if most == 0 then return answer('off') end
if times >= most then return answer('most') end

times = times + 1
-- Whole seconds, as of each pass.
expires = math.ceil((expires + by) / 1000) * 1000
redis.call('ZADD', KEYS[2], int(expires), number)
redis.call('HSET', KEYS[8], number, int(issued) .. ':' .. int(times))
redis.call('HINCRBY', KEYS[1], 'seq', 1)
if redis.call('RPUSH', KEYS[7], 'c:' .. number .. ':' .. int(issued) .. ':' .. int(expires / 1000)) > 8192 then
  redis.call('LTRIM', KEYS[7], -4096, -1)
end
return answer('ok')
