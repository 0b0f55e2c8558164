-- The list made names the reservations in the order in which they were made. It would grow with each one that
-- comes and goes; so each that ends looks at the oldest entries: those of reservations that are over are
-- dropped, the others go to the end. The field made_head counts the entries that were taken from the front:
-- the position of an entry never changes.
local MADE_LOOKS = 2 -- entries looked at for each reservation that ends; two, so that the list shrinks
local function rotate_made(stock, made, prefix, ended)
  local oldest = redis.call('LPOP', made, MADE_LOOKS * ended)
  if not oldest or #oldest == 0 then return end
  local keys, alive = {}, {}
  for i, core in ipairs(oldest) do keys[i] = prefix .. core end
  for i, text in ipairs(redis.call('MGET', unpack(keys))) do
    local status = text and string.sub(text, 1, 1)
    if status == 'h' or status == 'c' then alive[#alive + 1] = oldest[i] end
  end
  if #alive > 0 then redis.call('RPUSH', made, unpack(alive)) end
  redis.call('HINCRBY', stock, 'made_head', #oldest)
end
