-- Tells a stock that is being armed to whom passes belong (see bound.lua). Passes that are over are left out.
-- KEYS: 1 stock, 2 customers, 3 due
-- ARGV: 1 token, 2 term, then per pass: the pass, customer, until (ms), the members of made that it made
-- Returns {0}, {8, term} a later term has been here, {4} another caller arms, {9} another run of the server
local refused = not_arming(KEYS[1], ARGV[1], ARGV[2])
if refused then return refused end
local now = clock()
local fields, due = {}, {}
for i = 3, #ARGV, 4 do
  local until_ms = ARGV[i + 2]
  if tonumber(until_ms) > now then
    local name, n = bound_name(ARGV[i]), #due
    fields[n + 1], fields[n + 2] = name, write_bound({customer = ARGV[i + 1], until_ms = until_ms, cores = ARGV[i + 3]})
    due[n + 1], due[n + 2] = until_ms, name
  end
end
if #due > 0 then
  redis.call('HSET', KEYS[2], unpack(fields))
  redis.call('ZADD', KEYS[3], unpack(due))
  redis.call('HINCRBY', KEYS[1], 'bound', digits(#due / 2))
end
return {0}
