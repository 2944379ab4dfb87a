-- Write seeds of a run that is to be created: what an earlier run succeeded in, with its values.
-- KEYS staged attempts, staged journal, staged blobs, run [blob of the earlier run, blob]...
-- ARGV token is_first(0/1) life_ms entry tasks [task]... [digest]...
-- Nothing of it is in the run until `create` takes it over as a whole; else it expires. Values have
-- their final names already: equal names are equal values.
-- Returns 1 written, 0 a value of the earlier run is gone, -1 the run exists, -2 another process
-- writes seeds of this run, or what was written has expired.
if redis.call('EXISTS', KEYS[4]) == 1 then return -1 end
local tasks = tonumber(ARGV[5])
if ARGV[2] ~= '1' and redis.call('HGET', KEYS[1], '#') ~= ARGV[1] then return -2 end
for i = 5, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 0 then return 0 end
end
if ARGV[2] == '1' then redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3]) end
-- The first write is denied when memory is full, so a refused call leaves no trace.
redis.call('XADD', KEYS[2], '*', 'd', ARGV[4])
local fences = {'#', ARGV[1]}
for i = 6, 5 + tasks do
  fences[#fences + 1] = ARGV[i]
  fences[#fences + 1] = '0!seed'
end
redis.call('HSET', KEYS[1], unpack(fences))
for i = 5, #KEYS, 2 do
  redis.call('COPY', KEYS[i], KEYS[i + 1])
  redis.call('PEXPIRE', KEYS[i + 1], ARGV[3])
  redis.call('SADD', KEYS[3], ARGV[6 + tasks + (i - 5) / 2])
end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[3]) end
return 1
