-- Names the run of the server that runs this script: it differs after a restart and after each promotion of a
-- replica, both of which may have brought back an older state. run_id alone would be the same for a master
-- that was demoted and promoted again; master_replid2 changes with each promotion.
local function server_run()
  local info = redis.call('INFO', 'server', 'replication')
  return string.match(info, 'run_id:(%x+)') .. '.' .. string.match(info, 'master_replid2:(%x+)')
end
