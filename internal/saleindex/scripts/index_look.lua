-- Tells a node what has changed, and takes from it which sales are busy there.
-- KEYS: 1 the index, 2 busy sales (sorted set: sale → ms)
-- ARGV: 1 the number of changes that the node knows, '' for none, 2 for how long a sale counts as busy in ms,
--       3 '1' to ask the leader to look, then the sales that are busy on the node
-- Returns {now ms, the mark of a complete index of this run of the server, else '', changes, asked,
--   {sale, edition …} when the changes differ from what the node knows, {busy sales}}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local head = redis.call('HMGET', KEYS[1], ':run', ':change', ':asked', ':mark')
local mark = head[1] == server_run() and head[4] or ''
if #ARGV > 3 then
  local scores = {}
  for i = 4, #ARGV do
    scores[#scores + 1] = string.format('%.0f', now)
    scores[#scores + 1] = ARGV[i]
  end
  redis.call('ZADD', KEYS[2], unpack(scores))
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - ARGV[2]))
end
local asked = ARGV[3] == '1' and redis.call('HINCRBY', KEYS[1], ':asked', 1) or head[3] or '0'
local list = {}
local change = head[2] or '-'
if change ~= ARGV[1] then list = redis.call('HGETALL', KEYS[1]) end
local busy = redis.call('ZRANGEBYSCORE', KEYS[2], string.format('%.0f', now - ARGV[2]), '+inf')
return {string.format('%.0f', now), mark, change, tostring(asked), list, busy}
