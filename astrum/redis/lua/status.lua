-- Store what a worker does now; never brings an expired registration back.
-- KEYS worker ; ARGV status
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[1], '')  -- changes nothing; after it a full memory allows all writes
redis.call('HSET', KEYS[1], 'status', ARGV[1])
return 1
