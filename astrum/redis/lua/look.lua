-- Note that runs want to dispatch more to a stream than they may, and return how full it is.
-- KEYS stream want ; ARGV want_ms [run_id rank]...
-- Returns how many attempts are in the stream, and the weight of all runs that want to dispatch more
-- to it.
local weight = 0
for i = 2, #ARGV, 2 do
  weight = claimants(KEYS[2], ARGV[i], tonumber(ARGV[1]), tonumber(ARGV[i + 1]))
end
return {redis.call('XLEN', KEYS[1]), weight}
