-- Reports whether the caller may dispose of a reservation. The proof is '*' when the caller has proved it
-- otherwise, else whom the caller is known to be, separated by spaces. An order that was restored from the
-- ledger alone has no bearer; it cannot change any more, and whoever has a proof of any kind is told of it.
local function may_dispose(r, proof)
  if proof == '*' then return true end
  local bearer = string.match(r.bearer, '^[^/]+')
  if bearer == '*' then return proof ~= '' and (r.status == 'c' or r.status == 'f') end
  return string.find(' ' .. proof .. ' ', ' ' .. bearer .. ' ', 1, true) ~= nil
end
