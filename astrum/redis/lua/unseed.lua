-- Remove the seeds of a run that was not created, part by part.
-- KEYS staged attempts, staged journal, staged blobs, attempts blobs
-- ARGV token count blob_prefix
-- Values that the run has meanwhile, created by another process, get its life.
-- Returns 0 if nothing is left to do.
if redis.call('HGET', KEYS[1], '#') ~= ARGV[1] then return 0 end
local digests = redis.call('SPOP', KEYS[3], ARGV[2])
local life = redis.call('PTTL', KEYS[4])
for _, digest in ipairs(digests) do
  local key = ARGV[3] .. digest
  if life > 0 and redis.call('SISMEMBER', KEYS[5], digest) == 1 then
    redis.call('PEXPIRE', key, life)
  else
    redis.call('UNLINK', key)
  end
end
if #digests > 0 then return 1 end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
return 0
