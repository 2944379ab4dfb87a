-- Ids of open runs that have no leader now.
-- KEYS runs ; ARGV limit
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
