-- Tells which passes hold units, for whom there is no order yet.
-- KEYS: 1 stock, 2 customers
-- ARGV: 1 prefix of the record keys (same hash tag) without the epoch, then the passes
-- Returns {0, one number a pass}, {1} not ready, {9} another run. The number is 0 when the pass holds nothing any
--   more, 1 when it holds units, or when that is not known, 2 when no reservation of it is known.
local state, head = read_head(KEYS[1])
if state ~= 0 then return {state} end
local now = clock()
local prefix = ARGV[1] .. head[3] .. ':'
local names, keys, owner, answer = {}, {}, {}, {0}
for i = 2, #ARGV do names[i - 1] = bound_name(ARGV[i]) end
for i, text in ipairs(redis.call('HMGET', KEYS[2], unpack(names))) do
  local cores = text and read_bound(text).cores
  answer[1 + i] = text and 1 or 2
  if cores and cores ~= '+' then
    answer[1 + i] = 0
    for core in string.gmatch(cores, '[^,]+') do
      keys[#keys + 1], owner[#owner + 1] = prefix .. core, 1 + i
    end
  end
end
if #keys == 0 then return answer end
for i, text in ipairs(redis.call('MGET', unpack(keys))) do
  local r = text and read_record(text)
  if r and r.status == 'h' and not lapsed(r, now) then answer[owner[i]] = 1 end
end
return answer
