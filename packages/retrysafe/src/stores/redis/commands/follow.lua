#!lua flags=allow-oom
-- What a process has to know of a record that it follows; leaves a mark for its owner.
--
-- KEYS     the record
-- ARGV     mark_ms (how long the mark holds; 0: none)
-- Answers  a revision that changes whenever a waiter may have something to see; empty for a record that is not there
--!include log
-- Where `followed_until` begins in a record, from 0.
local followed_at = 46
local r = load_record()
if r == nil then return '' end
local mark_ms = tonumber(ARGV[1])
if mark_ms > 0 and r.state == 'r' then
  redis.call('SETRANGE', key, followed_at, struct.pack('<I6', math.max(r.followed_until, now + mark_ms)))
end
return string.format('%s %.0f %.0f %s', r.state, r.fence, length_of(r), r.canonical == '' and 1 or 0)
