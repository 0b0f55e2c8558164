-- Units that came back from a pass's hold while people waited are set aside, for a bounded time, for passes that
-- are issued later. They stay available: this only says who may take them. One field a pool, aside|SKU|channel:
--   units:at:until,units:at:until   at: the second in which they came back; until: when anyone may take them (ms)
-- in the order in which they came back. Times of issue are whole seconds, rounded down; so a pass may take them
-- when it was issued in a later second. Of more than ASIDE_MOST lots the oldest are for anyone.
local ASIDE_MOST = 32

-- Returns the lots that are in force.
local function read_lots(text, now)
  local lots = {}
  for units, at, until_ms in string.gmatch(text, '(%d+):(%d+):(%d+)') do
    if tonumber(until_ms) > now then
      lots[#lots + 1] = {units = tonumber(units), at = tonumber(at), until_ms = until_ms}
    end
  end
  return lots
end

local function write_lots(lots)
  local words = {}
  for _, lot in ipairs(lots) do
    if lot.units > 0 then words[#words + 1] = string.format('%.0f:%.0f:%s', lot.units, lot.at, lot.until_ms) end
  end
  return table.concat(words, ',', math.max(1, #words - ASIDE_MOST + 1))
end
