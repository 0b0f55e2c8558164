-- A pass belongs to the customer of its first reservation. That is one field of the hash of customers, named
-- "#" and the pass (no customer has such a name):
--   customer until reservations
-- until: when the pass is over at the latest (ms). reservations: the members of made that the pass made, separated by
-- commas, or "+" once there are more than BOUND_MOST. The list of what is due has the same name, at until; so
-- the field goes when the pass is over. The field bound of the stock counts the passes that are bound.
local BOUND_MOST = 8
local function bound_name(pass) return '#' .. pass end
local function read_bound(text)
  local b = {}
  b.customer, b.until_ms, b.cores = string.match(text, '^(%S+) (%d+) (%S+)$')
  return b
end
local function write_bound(b) return b.customer .. ' ' .. b.until_ms .. ' ' .. b.cores end
local function add_bound(b, core)
  local _, commas = string.gsub(b.cores, ',', '')
  if b.cores == '+' or commas + 1 >= BOUND_MOST then
    b.cores = '+'
  else
    b.cores = b.cores .. ',' .. core
  end
end
