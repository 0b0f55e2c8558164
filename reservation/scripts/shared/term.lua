-- Compares the term of the caller with the latest term that has been at this stock. Returns the later term when the
-- caller's is over; else notes the caller's and returns nothing.
local function later_term(key, seen, mine)
  if seen and tonumber(seen) > tonumber(mine) then return tonumber(seen) end
  if seen ~= mine then redis.call('HSET', key, 'term', mine) end
end
