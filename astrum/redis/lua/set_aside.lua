-- Move an entry that cannot be decoded to the dead letters.
-- KEYS stream dead_letters ; ARGV group entry_id data signature reason max_length ttl_ms
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*', 'd', ARGV[3], 's', ARGV[4],
  'reason', ARGV[5], 'stream', KEYS[1], 'entry', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
return 1
