#!lua flags=allow-oom
-- Adds to bounded counters; a number that is not above its source's last changes nothing.
--
-- KEYS     the bucket's sums (a hash); its sources' last numbers (a hash); its sources by when they were heard (a sorted set)
-- ARGV     source; number; then name and delta, again and again
-- Answers  ok, dup
local source, number, most = ARGV[1], tonumber(ARGV[2]), 4096
local last = tonumber(redis.call('HGET', KEYS[2], source) or '-1')
if last >= number then return 'dup' end
redis.call('HSET', KEYS[2], source, ARGV[2])
local newest = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')
redis.call('ZADD', KEYS[3], (newest[2] or 0) + 1, source)
-- Of more than 4096 sources the one that was silent longest is forgotten; more names than that are summed up as other.
if redis.call('ZCARD', KEYS[3]) > most then redis.call('HDEL', KEYS[2], redis.call('ZPOPMIN', KEYS[3])[1]) end
for at = 3, #ARGV, 2 do
  local name = ARGV[at]
  local sum = redis.call('HGET', KEYS[1], name)
  if not sum and redis.call('HLEN', KEYS[1]) >= most then
    name = 'other'
    sum = redis.call('HGET', KEYS[1], name)
  end
  redis.call('HSET', KEYS[1], name, string.format('%.17g', (tonumber(sum) or 0) + tonumber(ARGV[at + 1])))
end
return 'ok'
