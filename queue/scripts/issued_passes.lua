-- Lists active passes that were issued before a moment, in the order in which they end, a page a call.
-- KEYS 1 room 2 passes 3 admits 4 calls 5 used 6 grace 7 changes 8 issued
-- ARGV 1 the second before which they were issued, 0 = any  2 how many seconds after its issue a pass is left out
--      3 the pass that was looked at last, and 4 when it ends (ms); '' and 0 = from the first  5 how many to look at
-- returns {status, the second before which the listed were issued, last pass looked at, when it ends in ms, then
--   their ticket numbers}: more, end (all were looked at), lost (no room, or that of another run of the server)
local run = redis.call('HGET', KEYS[1], 'run')
if not run or run ~= server_run() then return {'lost', '0', '', '0'} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before, latest = tonumber(ARGV[1]), tonumber(time[1]) - tonumber(ARGV[2])
if before == 0 or before > latest then before = latest end

-- The rank of the first pass behind the last: among passes that end together the set is sorted by their names. So
-- it does not matter whether the last is still there.
local from = redis.call('ZCOUNT', KEYS[2], '-inf', '(' .. ARGV[4])
local to = redis.call('ZCOUNT', KEYS[2], '-inf', ARGV[4])
while from < to do
  local middle = math.floor((from + to) / 2)
  if redis.call('ZRANGE', KEYS[2], middle, middle)[1] <= ARGV[3] then from = middle + 1 else to = middle end
end

local most = tonumber(ARGV[5])
local seen = redis.call('ZRANGE', KEYS[2], from, from + most - 1, 'WITHSCORES')
if #seen == 0 then return {'end', int(before), ARGV[3], ARGV[4]} end
local names = {}
for i = 1, #seen, 2 do names[#names + 1] = seen[i] end
local answer = {#names < most and 'end' or 'more', int(before), names[#names], int(seen[#seen])}
for i, issued in ipairs(redis.call('HMGET', KEYS[8], unpack(names))) do
  if issued and tonumber(issued) < before and tonumber(seen[2 * i]) > now then answer[#answer + 1] = names[i] end
end
return answer
