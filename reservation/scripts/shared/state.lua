-- Judges a stock by its fields ready, run and epoch. Returns 0 when it may be used, 1 when it is not ready,
-- 2 when it is of another epoch than the wanted one (nil = any), 9 when it was armed on another run of the
-- server: then Redis was restarted or a replica was promoted, and what is here may be older than what was
-- promised.
local function state_of(ready, run, epoch, wanted)
  if ready ~= '1' then return 1 end
  if run ~= server_run() then return 9 end
  if wanted and epoch ~= wanted then return 2 end
  return 0
end

-- Reads a stock and judges it: the state, as above, and the values of ready, run, epoch and the further
-- fields.
local function read_head(key, wanted, ...)
  local head = redis.call('HMGET', key, 'ready', 'run', 'epoch', ...)
  return state_of(head[1], head[2], head[3], wanted), head
end
