-- Adds up, pool by pool, the units that came back from holds that were made with a pass.
local came_back = {}
local function note_back(r)
  if not string.find(r.bearer, '/', 1, true) then return end
  for sku, n, drawn in string.gmatch(r.lines, DRAWN) do
    local name = sku .. '|' .. (drawn ~= '' and drawn or r.channel)
    came_back[name] = (came_back[name] or 0) + n
  end
end

-- Sets them aside for so many ms (see aside.lua); 0 when nobody waits for them.
local function set_aside(key, now, for_ms)
  if tonumber(for_ms) <= 0 then return end
  for name, units in pairs(came_back) do
    local lots = read_lots(redis.call('HGET', key, 'aside|' .. name) or '', now)
    lots[#lots + 1] = {units = units, at = math.floor(now / 1000), until_ms = digits(now + for_ms)}
    redis.call('HSET', key, 'aside|' .. name, write_lots(lots))
  end
end
