-- Counts, over all lanes: those who wait, the absent who are not passed over, and the called who may still come, which
-- are those above the floor who are not resolved, and those whose window was renewed.
local function people_in_lanes(room)
  local function n(name) return tonumber(room[name]) end
  local waiting = math.max(0, n('entrants') - n('called') - n('absent') - n('gone'))
  local absent = n('absent')
  local coming = n('called') - n('floor') - n('open_resolved') + redis.call('ZCARD', KEYS[6])
  for lane = 1, tonumber(room.lanes or 0) do
    local h = redis.call('HMGET', KEYS[1], field(lane, 'entrants'), field(lane, 'called'), field(lane, 'absent'), field(lane, 'gone'),
      field(lane, 'floor'), field(lane, 'open_resolved'))
    for i = 1, 6 do h[i] = tonumber(h[i]) end
    waiting = waiting + math.max(0, h[1] - h[2] - h[3] - h[4])
    absent = absent + h[3]
    coming = coming + h[2] - h[5] - h[6]
  end
  return waiting, absent, math.max(0, coming)
end

-- Says for how many there is room beside the called who may still come. These count in full, so that everybody who
-- is called finds a slot. The cap, the rolling minute and the units that are there bound it.
-- room has the fields of the room by name; units and allocated are those that the node knows of (units below 0:
-- not known).
local function room_beside(coming, room, now, units, allocated)
  local function n(name) return tonumber(room[name]) end
  local active = redis.call('ZCARD', KEYS[2])
  if n('next_expiry') > 0 and n('next_expiry') <= now then
    active = redis.call('ZCOUNT', KEYS[2], '(' .. int(now), '+inf')
  end
  local minute = admitted_lately(KEYS[3], now, n('rated'))
  local free = math.min(n('cap') - active, n('rate') - minute) - coming
  if units >= 0 then
    -- Of the admitted, those who may still take a unit; see byStock in controller.go.
    local taken = math.max(allocated - units, 0)
    local undecided = math.min(active, minute, math.max(n('claimed') - taken, 0))
    free = math.min(free, units - undecided - coming)
  end
  return free
end

-- Says for how many there is room beside all who are called. Arguments as of room_beside.
local function room_beside_the_called(now, units, allocated)
  local names, room = {'entrants', 'called', 'absent', 'gone', 'floor', 'open_resolved', 'lanes', 'cap', 'rate', 'rated', 'next_expiry', 'claimed'}, {}
  local values = redis.call('HMGET', KEYS[1], unpack(names))
  for i, name in ipairs(names) do room[name] = values[i] end
  local _, _, coming = people_in_lanes(room)
  return room_beside(coming, room, now, units, allocated)
end

-- Says how many visitors may be called as they join, when nobody waits in any lane. The pace and the room beside the
-- called bound it. factor is that of the degradation level; the other arguments are those of room_beside.
-- Returns how many, and the pace's credit now.
local function may_walk_in(room, now, run, units, allocated, factor)
  local function n(name) return tonumber(room[name]) end
  local calls = (room.mode == 'queue' or room.mode == 'reject') and now >= n('starts') and now < n('ends')
    and room.ended ~= '1' and n('paused_at') == 0 and (room.order ~= 'draw' or room.draw_kept == '1')
  if not calls or factor <= 0 then return 0, 0 end
  local waiting, absent, coming = people_in_lanes(room)
  if waiting > 0 or absent > 0 and run < n('prove_until') then return 0, 0 end

  local per_milli = n('rate') / 60000 * 59 / 60 * factor
  local burst = math.max(per_milli * 1000, 1)
  local credit = n('credit')
  if credit < 0 then
    credit = math.max((now - n('starts')) * per_milli, math.min(1, n('rate') * factor))
  else
    credit = credit + math.max(0, now - n('credit_at')) * per_milli
  end
  credit = math.min(credit, burst)

  local free = room_beside(coming, room, now, units, allocated)
  return math.max(0, math.floor(math.min(credit + 1e-9, free))), credit
end

