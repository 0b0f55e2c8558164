-- Counts visitors by the items that they named, in one field of the room:
--   named;mark=count,mark=count   named: how many named any; a mark stands for an item of the sale
-- A sale has at most 100 items, so the field stays small.
local WANTED_MOST = 100
local function read_wanted(text)
  local counts, n = {}, 0
  for mark, count in string.gmatch(text or '', '(%d+)=(%d+)') do
    counts[mark] = tonumber(count)
    n = n + 1
  end
  return {named = tonumber(string.match(text or '', '^(%d+);') or 0), counts = counts, marks = n}
end
-- Adds (by = 1) or takes off (by = -1) one visitor with these marks, separated by commas.
local function count_wanted(w, marks, by)
  if marks == '' then return end
  w.named = math.max(0, w.named + by)
  for mark in string.gmatch(marks, '%d+') do
    if not w.counts[mark] and w.marks < WANTED_MOST then
      w.counts[mark] = 0
      w.marks = w.marks + 1
    end
    if w.counts[mark] then w.counts[mark] = math.max(0, w.counts[mark] + by) end
  end
end
local function write_wanted(w)
  local parts = {}
  for mark, count in pairs(w.counts) do parts[#parts + 1] = mark .. '=' .. string.format('%.0f', count) end
  return string.format('%.0f', w.named) .. ';' .. table.concat(parts, ',')
end
