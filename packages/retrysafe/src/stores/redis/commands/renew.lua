#!lua flags=allow-oom
-- Moves the lease's end to now + lease_ms, and says what goes with it.
--
-- KEYS     the record
-- ARGV     fence; owner; lease_ms; sent (1: the effect may begin); canonical or empty
-- Answers  ok: k, cancelled, followed; lost: l; there is no record: absent
--!include write
--!include lapse
--!include hint
local r = load_record()
if r == nil then return 'absent' end
if not is_mine(r, tonumber(ARGV[1]), ARGV[2]) or r.state ~= 'r' then return { 'l' } end
local says = r.canonical == '' and ARGV[5] ~= ''
if says then r.canonical = ARGV[5] end
r.lease = tonumber(ARGV[3])
r.lease_until = now + r.lease
r.expires_at = math.max(r.expires_at, now + r.lease + r.retention)
r.sent = r.sent or ARGV[4] == '1'
put_header(r, '')
-- Nobody follows a lease, so a renewal gives no hint, unless it says what somebody may wait for.
if says then tell(r) end
return { 'k', r.cancelled and 1 or 0, is_followed(r) }
