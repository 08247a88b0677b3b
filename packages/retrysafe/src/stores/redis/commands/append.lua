#!lua flags=allow-oom
-- Adds bytes to the running generation's log.
--
-- KEYS     the record
-- ARGV     fence; owner; offset; bytes; canonical or empty; most (bytes that the string may have)
-- Answers  ok: k, length, followed; dup: d; gap: g, length; lost: l; too large: t; there is no record: absent
--!include write
--!include log
--!include lapse
--!include hint
local r = load_record()
if r == nil then return 'absent' end
if not is_mine(r, tonumber(ARGV[1]), ARGV[2]) or r.state ~= 'r' then return { 'l' } end
local length, offset, bytes = length_of(r), tonumber(ARGV[3]), ARGV[4]
if offset ~= length then
  if offset + #bytes <= length then return { 'd' } end
  return { 'g', length }
end
if r.size + length + #bytes > tonumber(ARGV[6]) then return { 't' } end
if r.canonical == '' and ARGV[5] ~= '' then
  r.canonical = ARGV[5]
  put_header(r, bytes)
elseif bytes ~= '' then
  redis.call('APPEND', key, bytes)
end
tell(r)
return { 'k', length + #bytes, is_followed(r) }
