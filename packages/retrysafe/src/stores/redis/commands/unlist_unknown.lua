#!lua flags=allow-oom
-- Takes a name that is no unknown record's out of the index, unless it was added just now: a step that would make it
-- unknown may still be on its way.
--
-- KEYS     the index
-- ARGV     name; settled_ms (how long ago it must have been added)
-- Answers  1: removed, 0
--!include time
local added = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not added or tonumber(added) + tonumber(ARGV[2]) > now then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
