-- The record of an order whose own record is gone. It holds no units here: its status is that of an expired
-- one.
local function stand_in(epoch, ordered, customer, channel, lines)
  return {status = 'x', epoch = epoch, created = ordered, expires = ordered, extensions = '0', durability = 'j',
    customer = customer, channel = channel, payload = '*', lines = lines, bearer = '*'}
end
