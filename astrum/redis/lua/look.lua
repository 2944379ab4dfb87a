-- Note that runs want to dispatch more to a stream than they may, and return how full it is.
-- KEYS stream want ; ARGV want_ms run_id...
-- Returns how many attempts are in the stream, and how many runs want to dispatch more to it.
local found = 0
for i = 2, #ARGV do found = claimants(KEYS[2], ARGV[i], tonumber(ARGV[1])) end
return {redis.call('XLEN', KEYS[1]), found}
