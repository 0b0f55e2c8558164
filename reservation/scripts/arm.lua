-- Brings the terms of a sale to its stock. Where no stock is ready, begins anew: what an earlier beginning left is wiped
-- in bounded steps, and the caller loads the rest and sets ready last.
-- KEYS: 1 stock, 2 customers, 3 due, 4 made
-- ARGV: 1 token of the caller, 2 prefix of the record keys (same hash tag), 3 epoch, 4 version, then pairs of field and value
-- Returns {1, now} terms updated, {0, now} clean and waiting for arm_load, {2, now} call again: more to wipe,
--   {3, now} refused, because the terms there are of a later epoch or version, {4, now} refused, because the stock is of another run of the server
local now = clock()
local terms = {'epoch', ARGV[3], 'version', ARGV[4]}
for i = 5, #ARGV do terms[i] = ARGV[i] end
local head = redis.call('HMGET', KEYS[1], 'ready', 'epoch', 'version', 'run')
if head[1] == '1' then
  if head[4] ~= server_run() then return {4, now} end
  local epoch, version = tonumber(head[2]), tonumber(head[3])
  if tonumber(ARGV[3]) < epoch or tonumber(ARGV[3]) == epoch and tonumber(ARGV[4]) < version then return {3, now} end
  redis.call('HSET', KEYS[1], unpack(terms))
  return {1, now}
end
local left = redis.call('ZRANGE', KEYS[3], 0, 999)
if #left > 0 then
  local keys = {}
  for i, core in ipairs(left) do keys[i] = ARGV[2] .. core end
  redis.call('DEL', unpack(keys))
  redis.call('ZREM', KEYS[3], unpack(left))
  return {2, now}
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[4])
redis.call('HSET', KEYS[1], 'arming', ARGV[1], 'run', server_run(), unpack(terms))
return {0, now}
