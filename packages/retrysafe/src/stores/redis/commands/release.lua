#!lua flags=allow-oom
-- Ends an attempt that has no outcome, by the table in docs/protocol.md.
--
-- KEYS     the record
-- ARGV     fence; owner; attempt_end: free, failed, broken, cancelled; cooldown_ms; canonical or empty; listed (1: the
--          index of unknown records has this one)
-- Answers  ok, lost, absent (there is no record), list (would become unknown: add it to the index and ask again)
--!include lapse
--!include hint
--!include ends
local r = load_record()
if r == nil then return 'absent' end
if is_expired(r) then return 'ok' end
if r.fence ~= tonumber(ARGV[1]) or r.owner ~= ARGV[2] then return 'lost' end
if r.state ~= 'r' then return r.state == 'c' and 'lost' or 'ok' end
local how, cooldown = ARGV[3], tonumber(ARGV[4])
if r.canonical == '' then r.canonical = ARGV[5] end
if how == 'free' and r.steps == 0 then
  remove(r)
elseif (how == 'broken' or how == 'cancelled') and r.steps == 0 and r.may_fail and (r.sent or how == 'broken') then
  if ARGV[6] ~= '1' then return 'list' end
  make_unknown(r)
elseif how == 'cancelled' and r.steps == 0 then
  entomb(r)
else
  -- Open: counted where nobody reported how the attempt ended.
  local is_counted = how == 'broken' or how == 'cancelled'
  r.state, r.attempt, r.cooldown_until = 'o', is_counted and r.attempt or r.attempt - 1, now + cooldown
  -- At least 10 minutes, where something counts for the retention, and with the cooldown in any case. In other stores
  -- nothing that counts for nothing lives longer; here it may stand in a tombstone's place.
  local lives = (r.attempt > 0 or r.steps > 0) and r.retention or math.max(600000, r.retention)
  r.expires_at = now + math.max(lives, cooldown)
  put_record(r, '')
end
tell(r)
return 'ok'
