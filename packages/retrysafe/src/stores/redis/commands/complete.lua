#!lua flags=allow-oom
-- Seals the log with its last bytes, after cutting it to `offset`; the retention starts here.
--
-- KEYS     the record
-- ARGV     fence; owner; offset; bytes; canonical or empty; most (bytes that the string may have)
-- Answers  ok, dup, lost, gap (the log is shorter than offset), absent (there is no record), large
--!include write
--!include log
--!include lapse
--!include hint
local r = load_record()
if r == nil then return 'absent' end
if not is_mine(r, tonumber(ARGV[1]), ARGV[2]) then return 'lost' end
if r.state == 'c' then return 'dup' end
-- Unknown heals: its owner was given up, but nobody else has run since.
if r.state ~= 'r' and r.state ~= 'u' then return 'lost' end
local length, offset, bytes = length_of(r), tonumber(ARGV[3]), ARGV[4]
if offset < 0 or offset > length then return 'gap' end
if r.size + offset + #bytes > tonumber(ARGV[6]) then return 'large' end
if r.canonical == '' then r.canonical = ARGV[5] end
r.state, r.completed_at, r.expires_at = 'c', now, now + r.retention
if offset == length and length > 65536 then
  put_header(r, bytes)
else
  -- Written anew: a string that grew by appending holds up to twice its bytes.
  local kept = offset > 0 and redis.call('GETRANGE', key, r.size, r.size + offset - 1) or ''
  put_record(r, kept .. bytes)
end
tell(r)
return 'ok'
