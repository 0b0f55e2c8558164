-- As reserve.lua, and keeps the reservations: id and proof of one a line in the file IDS.<thread>.
dofile(os.getenv("WRK_DIR") .. "/reserve.lua")

local file

function response(status, headers, body)
  if status ~= 201 then return end
  file = file or assert(io.open(os.getenv("IDS") .. "." .. thread_number, "w"))
  local id = string.match(body, '"id":"([^"]+)"')
  if id then
    file:write(id, " ", headers["Penstock-Holder"], "\n")
    file:flush()
  end
end
