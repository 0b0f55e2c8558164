-- Reports whether the stock is still being armed by the caller: nothing if so, else the answer that refuses:
-- {8, term} a later term has been here, {4} another caller arms or has armed, {9} the server runs anew.
local function not_arming(key, token, term)
  local head = redis.call('HMGET', key, 'arming', 'term', 'run', 'ready')
  if head[2] and tonumber(head[2]) > tonumber(term) then return {8, tonumber(head[2])} end
  if head[1] ~= token or head[2] ~= term or head[4] == '1' then return {4} end
  if head[3] ~= server_run() then return {9} end
end
