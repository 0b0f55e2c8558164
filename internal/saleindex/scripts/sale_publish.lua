-- Publishes the record of a sale, unless a newer one of the same sale is there.
-- KEYS: 1 the record
-- ARGV: 1 version, 2 epoch, 3 record (JSON with the members "version", "epoch" and "created_at")
-- Returns 1 when this record is published now, 0 when a newer one is
local current = redis.call('GET', KEYS[1])
if current then
  local created = '"created_at":"[^"]+"'
  local version = tonumber(string.match(current, '"version":(%d+)') or 0)
  local epoch = tonumber(string.match(current, '"epoch":(%d+)') or 0)
  if string.match(current, created) == string.match(ARGV[3], created)
    and (version > tonumber(ARGV[1]) or version == tonumber(ARGV[1]) and epoch > tonumber(ARGV[2])) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3])
return 1
