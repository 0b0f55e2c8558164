-- Takes the stock of a sale out of Redis in bounded steps. The first step closes the sale: from then on there
-- is no stock. What stays at the end is the term, for a day, so that a leader of an older term cannot arm.
-- KEYS: 1 stock, 2 customers, 3 due, 4 made, 5 order keys, 6 outbox
-- ARGV: 1 term, 2 prefix of the record keys (same hash tag) without the epoch, 3 '1' = wipe a stock that is
--       ready too, 4 how many records at most
-- Returns {0} wiped, {1} call again, {2} refused because the stock is ready, {8, term} a later term has been
--   here
local head = redis.call('HMGET', KEYS[1], 'ready', 'term', 'epoch', 'wiping')
if head[1] == '1' and ARGV[3] ~= '1' then return {2} end
local later = later_term(KEYS[1], head[2], ARGV[1])
if later then return later end
local epoch = head[3] or head[4]
if head[3] then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'term', ARGV[1], 'wiping', epoch)
end

local function remove(cores)
  for i, core in ipairs(cores) do cores[i] = ARGV[2] .. epoch .. ':' .. core end
  redis.call('UNLINK', unpack(cores))
end

-- Every record without a time to live is in made; those that hold units are in due as well. The passes that
-- are due have no record.
if epoch then
  local cores = redis.call('ZRANGE', KEYS[3], 0, ARGV[4] - 1)
  if #cores > 0 then
    redis.call('ZREM', KEYS[3], unpack(cores))
    remove(cores)
    return {1}
  end
  cores = redis.call('LRANGE', KEYS[4], 0, ARGV[4] - 1)
  if #cores > 0 then
    redis.call('LTRIM', KEYS[4], ARGV[4], -1)
    remove(cores)
    return {1}
  end
end
redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', KEYS[1], 'term', ARGV[1])
redis.call('PEXPIRE', KEYS[1], 86400000)
return {0}
