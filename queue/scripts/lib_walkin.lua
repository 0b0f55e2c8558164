-- Says how many visitors may be called as they join, when nobody waits in front of them. The pace, the cap, the
-- rolling minute and the units that are there bound it. Everybody called who may still come counts in full, so
-- that whoever is called here finds a slot.
-- room has the fields of the room by name; units and allocated are those that the node knows of (units below 0:
-- not known); factor is that of the degradation level.
-- Returns how many, and the pace's credit now.
local function may_walk_in(room, now, run, units, allocated, factor)
  local function n(name) return tonumber(room[name]) end
  local calls = (room.mode == 'queue' or room.mode == 'reject') and now >= n('starts') and now < n('ends')
    and room.ended ~= '1' and n('paused_at') == 0 and (room.order ~= 'draw' or room.draw_kept == '1')
  if not calls or factor <= 0 then return 0, 0 end
  local waiting = n('entrants') - n('called') - n('absent') - n('gone')
  if waiting > 0 or n('absent') > 0 and run < n('prove_until') then return 0, 0 end

  local per_milli = n('rate') / 60000 * 59 / 60 * factor
  local burst = math.max(per_milli * 1000, 1)
  local credit = n('credit')
  if credit < 0 then
    credit = math.max((now - n('starts')) * per_milli, math.min(1, n('rate') * factor))
  else
    credit = credit + math.max(0, now - n('credit_at')) * per_milli
  end
  credit = math.min(credit, burst)

  local active = redis.call('ZCARD', KEYS[2])
  if n('next_expiry') > 0 and n('next_expiry') <= now then
    active = redis.call('ZCOUNT', KEYS[2], '(' .. int(now), '+inf')
  end
  local minute = admitted_lately(KEYS[3], now, n('rated'))
  local coming = outstanding(n('called'), n('floor'), n('open_resolved'))
  local free = math.min(n('cap') - active, n('rate') - minute) - coming
  if units >= 0 then
    -- Of the admitted, those who may still take a unit; see byStock in controller.go.
    local taken = math.max(allocated - units, 0)
    local undecided = math.min(active, minute, math.max(n('claimed') - taken, 0))
    free = math.min(free, units - undecided - coming)
  end
  return math.max(0, math.floor(math.min(credit + 1e-9, free))), credit
end

