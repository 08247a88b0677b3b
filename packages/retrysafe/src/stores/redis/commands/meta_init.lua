-- Keeps a value under a name unless there is one.
--
-- KEYS     the name
-- ARGV     value
-- Answers  the value that is kept
local kept = redis.call('GET', KEYS[1])
if kept then return kept end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
