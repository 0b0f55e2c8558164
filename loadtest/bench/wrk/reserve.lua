-- Each request is another customer with another idempotency key, who wants one unit.
dofile(os.getenv("WRK_DIR") .. "/report.lua")

local path, run, sku, n

function init(args)
  path, run, sku, n = os.getenv("REQUEST_PATH"), os.getenv("RUN"), os.getenv("SKU"), 0
end

function request()
  n = n + 1
  local customer = run .. "-" .. thread_number .. "-" .. n
  return post(path, customer, '{"customer":"' .. customer .. '","items":[{"sku":"' .. sku .. '","quantity":1}]}')
end
