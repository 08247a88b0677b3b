#!lua flags=allow-oom
-- What an operator asks of one record, naming the fence it saw.
--
-- KEYS     the record
-- ARGV     fence; act: cancel, resolve, purge; force (1: purges a running one)
-- Answers  ok, absent, running, changed, refused
--!include lapse
--!include hint
--!include ends
local r, act = load_record(), ARGV[2]
if r == nil or r.state == 'p' or is_expired(r) then return 'absent' end
if r.fence ~= tonumber(ARGV[1]) then return 'changed' end
local runs = r.state == 'r'
if act == 'cancel' then
  if not runs then return 'refused' end
  r.cancelled = true
  put_header(r, '')
elseif act == 'resolve' then
  if r.state ~= 'u' then return runs and 'running' or 'refused' end
  entomb(r)
elseif runs and ARGV[3] ~= '1' then
  return 'running'
elseif r.state == 'o' then
  remove(r)
else
  -- Also of a completed one: its `complete`, sent again, would bring it back.
  entomb(r)
end
tell(r)
return 'ok'
