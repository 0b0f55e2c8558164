-- What a customer holds and has bought, packed as "SKU=units,SKU=units" in one hash field.
local function read_units(packed)
  local units = {}
  if packed then
    for sku, n in string.gmatch(packed, '([^,=]+)=(%d+)') do units[sku] = tonumber(n) end
  end
  return units
end
-- Packs the units again; returns false when nothing is left, so that the field can go.
local function write_units(units)
  local parts = {}
  for sku, n in pairs(units) do
    if n > 0 then parts[#parts + 1] = sku .. '=' .. string.format('%.0f', n) end
  end
  return #parts > 0 and table.concat(parts, ',')
end
