#!lua flags=allow-oom
-- Puts back a running record that the server has forgotten: a restart without its last writes, a failover. Only while
-- nothing is there, and only as long as the record would be there by itself.
--
-- KEYS     the record
-- ARGV     fence; owner; lease_ms; raw; canonical or empty; retention_ms; on_crash; max_attempts; attempt; label
-- Answers  ok: the record is there, this token's or another's; lost: too late
--!include write
if load_record() then return 'ok' end
local fence, lease, retention = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[6])
local claimed_at = math.floor(fence / 1000)
if claimed_at + retention <= now then return 'lost' end
put_record({
  state = 'r', fence = fence, owner = ARGV[2], attempt = tonumber(ARGV[9]), max_attempts = tonumber(ARGV[8]),
  -- It may have been sent, and may have been taken over before: whoever forgot the record forgot that, too.
  may_fail = ARGV[7] == 'f', sent = true, taken_over = true, raw = ARGV[4], canonical = ARGV[5], lease = lease,
  lease_until = now + lease, cooldown_until = 0, retention = retention, expires_at = now + lease + retention,
  claimed_at = claimed_at, completed_at = 0, steps = 0, label = ARGV[10], followed_until = 0,
}, '')
return 'ok'
