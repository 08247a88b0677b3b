#!lua flags=allow-oom
-- KEYS     the bucket's sums
-- ARGV     none
-- Answers  name, sum, again and again
return redis.call('HGETALL', KEYS[1])
