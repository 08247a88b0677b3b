#!lua flags=allow-oom
-- Adds a record to the index of unknown ones, before it becomes one.
--
-- KEYS     the index (a sorted set: names by when they were added)
-- ARGV     name
-- Answers  ok
--!include time
redis.call('ZADD', KEYS[1], now, ARGV[1])
return 'ok'
