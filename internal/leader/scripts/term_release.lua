-- Gives the lease up, if the caller still leads in this term.
-- KEYS: 1 the lease
-- ARGV: 1 caller, 2 number of the term
-- Returns 1 when it was given up, else 0
if redis.call('GET', KEYS[1]) == ARGV[2] .. ' ' .. ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
