-- A reservation is one string of words (record.go has the same list):
--   status epoch created expires extensions durability customer channel payload lines bearer
-- and once it has become an order also
--   order_key order_payload ordered committed
-- status: h held, c confirmed, f failed (an order that the ledger refused for good), r released, x expired.
-- Times in ms. committed is 0 until the ledger has the order; of a failed order it is 1 when its units are
-- withheld, 0 when they were given back. The bearer is who made the reservation, '*' when that is not known;
-- "bearer/until" when it had a pass, which is over at until (ms).
-- lines: "SKU=units,SKU=units". Units that are of another channel's share than channel's name it:
-- "SKU=units@channel"; then an item may be there more than once.
local RESOLVED_KEEP_MS = 900000 -- how long a released or expired reservation can still be looked up
local COMMITTED_KEEP_MS = 86400000 -- how long an order can be looked up here once it is in the ledger
local DRAWN = '([^,=]+)=(%d+)@?([^,]*)'
local WORDS = '^(%a) (%d+) (%d+) (%d+) (%d+) (%a) (%S+) (%S+) (%S+) (%S+) (%S+) ?(%S*) ?(%S*) ?(%d*) ?(%d*)$'

local function read_record(text)
  local r = {}
  r.status, r.epoch, r.created, r.expires, r.extensions, r.durability, r.customer, r.channel, r.payload, r.lines, r.bearer,
    r.order_key, r.order_payload, r.ordered, r.committed = string.match(text, WORDS)
  return r
end

local function write_record(r)
  local text = table.concat({r.status, r.epoch, r.created, r.expires, r.extensions,
    r.durability, r.customer, r.channel, r.payload, r.lines, r.bearer}, ' ')
  if r.status == 'c' or r.status == 'f' then
    text = text .. ' ' .. table.concat({r.order_key, r.order_payload, r.ordered, r.committed}, ' ')
  end
  return text
end

local function lapsed(r, now) return r.status == 'h' and tonumber(r.expires) <= now end
