#!lua flags=allow-oom
-- Reads a part of the log that `fence` writes or wrote. Flagged as if it wrote: a replica must not answer it.
--
-- KEYS     the record
-- ARGV     fence; offset; most bytes
-- Answers  b, length, sealed, lapsed, bytes; or ended: e, state (x: absent), cooldown_ms
--!include log
--!include lapse
local r = load_record()
if r == nil or is_expired(r) then return { 'e', 'x', 0 } end
if r.fence ~= tonumber(ARGV[1]) or (r.state ~= 'r' and r.state ~= 'c') then
  return { 'e', r.state, r.state == 'o' and math.max(0, r.cooldown_until - now) or 0 }
end
local length, offset, most = length_of(r), tonumber(ARGV[2]), tonumber(ARGV[3])
local bytes = ''
if offset < length and most > 0 then bytes = redis.call('GETRANGE', key, r.size + offset, r.size + offset + most - 1) end
return { 'b', length, r.state == 'c' and 1 or 0, r.state == 'r' and is_lapsed(r) and 1 or 0, bytes }
