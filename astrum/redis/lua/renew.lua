-- Renew the leases of all runs that one owner leads.
-- KEYS runs run... ; ARGV owner lease_ms open_ttl_ms [run_id epoch]...
-- Returns for each run 1, or 0 if another epoch leads or the run is over, gone or damaged.
local lease_end = string.format('%.0f', now_ms() + tonumber(ARGV[2]))
local out, leases = {}, {}
-- PEXPIRE comes first: it is allowed when memory is full, and after it everything is.
redis.call('PEXPIRE', KEYS[1], ARGV[3])
for k = 1, #KEYS - 1 do
  local i = 2 + 2 * k
  -- One damaged record must not cost the other runs their leases.
  local h = redis.pcall('HMGET', KEYS[k + 1], 'st', 'ep', 'ow')
  local leads = h[1] == 'open' and h[2] == ARGV[i + 1] and h[3] == ARGV[1]
  out[k] = leads and 1 or 0
  if leads then
    leases[#leases + 1] = lease_end
    leases[#leases + 1] = ARGV[i]
  end
end
if #leases > 0 then redis.call('ZADD', KEYS[1], unpack(leases)) end
return out
