-- Keep pauses, and let all pauses live on.
-- KEYS paused ; ARGV ttl_ms [field pause]...
-- PEXPIRE comes first: it is allowed when memory is full, and after it everything is. That is when
-- a pause may be needed most.
redis.call('PEXPIRE', KEYS[1], ARGV[1])
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
