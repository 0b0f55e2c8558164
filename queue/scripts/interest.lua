-- Counts that the holder of a ticket named other items. Idempotent: what a ticket named last is kept, for at most
-- CHANGED_MOST tickets, so that the same change, or an old ticket shown again, is not counted twice. Further
-- changes are not counted.
-- KEYS 1 room 2 interest (hash: ticket → marks)
-- ARGV 1 ticket number  2 marks that it named  3 marks that it names now, separated by commas
-- returns ok, unknown (number never given), lost (no room, or that of another run of the server)
local CHANGED_MOST = 65536
local lane = lane_of(ARGV[1])
local h = redis.call('HMGET', KEYS[1], 'run', field(lane, 'entrants'), 'wanted', field(lane, 'base'))
if not h[1] or h[1] ~= server_run() then return 'lost' end
local number = tonumber(in_lane(ARGV[1]))
if number > tonumber(h[2] or 0) then return 'unknown' end
if number <= tonumber(h[4]) then return 'ok' end -- of an earlier room, whose counts are lost
local before = redis.call('HGET', KEYS[2], ARGV[1])
if not before and redis.call('HLEN', KEYS[2]) >= CHANGED_MOST then return 'ok' end
before = before or ARGV[2]
if before == ARGV[3] then return 'ok' end
local w = read_wanted(h[3])
count_wanted(w, before, -1)
count_wanted(w, ARGV[3], 1)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[1], 'wanted', write_wanted(w))
return 'ok'
