-- Each request turns the next of the reservations in IDS into an order, with its proof. When they run out it starts
-- again, which would measure repeats: `used` beyond `total` tells the benchmark to throw the run away. REPEAT=yes allows
-- it (for hello).
dofile(os.getenv("WRK_DIR") .. "/report.lua")

used, total = 0, 0
local ids

function init(args)
  ids = lines(os.getenv("IDS"))
  if os.getenv("REPEAT") ~= "yes" then total = #ids end
end

function request()
  used = used + 1
  local id, proof = string.match(ids[(used - 1) % #ids + 1], "^(%S+) (%S+)$")
  return post("/v1/orders", id, '{"reservation":"' .. id .. '","customer":{"email":"ada@example.com"},' ..
    '"payment":{"reference":"bench"}}', "Penstock-Holder: " .. proof .. "\r\n")
end
