-- Reads when the next holds end.
-- KEYS: 1 due
-- ARGV: 1 prefix of the record keys (same hash tag), 2 how many holds at most (1…1000)
-- Returns per hold: when it ends (ms), lines. Fewer than asked for means that there are no more. Passes that are
-- due among them (see bound.lua) are passed over; of these no more than as many holds are looked at.
local most = tonumber(ARGV[2])
local due = redis.call('ZRANGE', KEYS[1], 0, 2 * most - 1, 'WITHSCORES')
local keys, ends = {}, {}
for i = 1, #due, 2 do
  if string.sub(due[i], 1, 1) ~= '#' and #keys < most then
    keys[#keys + 1] = ARGV[1] .. due[i]
    ends[#ends + 1] = due[i + 1]
  end
end
if #keys == 0 then return {} end
local answer = {}
for i, text in ipairs(redis.call('MGET', unpack(keys))) do
  if text then
    answer[#answer + 1] = string.format('%.0f', tonumber(ends[i]))
    answer[#answer + 1] = string.match(text, '^h %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%S+)') or ''
  end
end
return answer
