-- Visitors who wait: each request presents the next of the tickets in TICKETS.
dofile(os.getenv("WRK_DIR") .. "/report.lua")

local requests, next_request = {}, 0

function init(args)
  local path = os.getenv("REQUEST_PATH")
  for i, ticket in ipairs(lines(os.getenv("TICKETS"))) do
    requests[i] = "GET " .. path .. " HTTP/1.1\r\nHost: bench\r\nPenstock-Ticket: " .. ticket .. "\r\n\r\n"
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end
