-- Compares the term of the caller with the latest term that has been at this stock. Returns the answer that
-- refuses when a later term has been here: {8, that term}; else notes the caller's and returns nothing.
local function later_term(key, seen, mine)
  if seen and tonumber(seen) > tonumber(mine) then return {8, tonumber(seen)} end
  if seen ~= mine then redis.call('HSET', key, 'term', mine) end
end
