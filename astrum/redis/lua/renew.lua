-- Renew the leases of all runs that one owner leads.
-- KEYS runs [run plan attempts journal blobs]...
-- ARGV owner lease_ms open_ttl_ms prolongs(0/1) [run_id epoch blob_prefix]...
-- prolongs: look at the runs' lives, too.
-- Returns for each run 1, or 0 if another epoch leads or the run is over, gone or damaged.
local lease_end = string.format('%.0f', now_ms() + tonumber(ARGV[2]))
local out, leases = {}, {}
for k = 1, (#KEYS - 1) / 5 do
  local i, first = 2 + 3 * k, 5 * k - 3
  -- One damaged record must not cost the other runs their leases.
  local h = redis.pcall('HMGET', KEYS[first], 'st', 'ep', 'ow')
  local leads = h[1] == 'open' and h[2] == ARGV[i + 1] and h[3] == ARGV[1]
  out[k] = leads and 1 or 0
  if leads then
    leases[#leases + 1] = lease_end
    leases[#leases + 1] = ARGV[i]
    if ARGV[4] == '1' then
      prolong({unpack(KEYS, first, first + 4)}, ARGV[3], ARGV[i + 2])
    end
  end
end
if #leases > 0 then redis.call('ZADD', KEYS[1], unpack(leases)) end
return out
