-- Publishes the record of a sale, unless a newer one is there.
-- KEYS[1] the record
-- ARGV[1] version  ARGV[2] record (JSON with a "version" member)
-- returns the version that is now published
local current = redis.call('GET', KEYS[1])
if current then
  local version = tonumber(string.match(current, '"version":(%d+)'))
  local created = '"created_at":"[^"]+"'
  local same = string.match(current, created) == string.match(ARGV[2], created)
  if same and version and version > tonumber(ARGV[1]) then
    return version
  end
end
redis.call('SET', KEYS[1], ARGV[2])
return tonumber(ARGV[1])
