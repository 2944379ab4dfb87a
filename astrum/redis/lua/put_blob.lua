-- Store a value of a run under its content's name; it lives as long as the run.
-- KEYS attempts blob blobs ; ARGV data name
-- Returns 0 if there is no such run.
local life = redis.call('PTTL', KEYS[1])
if life <= 0 then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', life, 'NX')
if redis.call('SADD', KEYS[3], ARGV[2]) == 1 and redis.call('SCARD', KEYS[3]) == 1 then
  redis.call('PEXPIRE', KEYS[3], life)
end
return 1
