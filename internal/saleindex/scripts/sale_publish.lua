-- Publishes the record of a sale, unless a newer one of the same sale is there.
-- KEYS: 1 the record
-- ARGV: 1 version, 2 record (JSON with the members "version" and "created_at")
-- Returns the version that is now published
local current = redis.call('GET', KEYS[1])
if current then
  local version = tonumber(string.match(current, '"version":(%d+)'))
  local created = '"created_at":"[^"]+"'
  local same = string.match(current, created) == string.match(ARGV[2], created)
  if same and version and version > tonumber(ARGV[1]) then return version end
end
redis.call('SET', KEYS[1], ARGV[2])
return tonumber(ARGV[1])
