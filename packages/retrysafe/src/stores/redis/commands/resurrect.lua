#!lua flags=allow-oom
-- Puts an outcome whose record the server has forgotten: a restart without its last writes, a failover. Only while
-- nothing is there, and only as long as the record would be there by itself.
--
-- KEYS     the record
-- ARGV     fence; owner; bytes; raw; canonical or empty; retention_ms; on_crash; max_attempts; attempt; label
-- Answers  resurrected, or again (there is a record: complete decides), or lost (too late)
--!include record
if load_record() then return 'again' end
local fence, retention = tonumber(ARGV[1]), tonumber(ARGV[6])
if math.floor(fence / 1000) + retention <= now then return 'lost' end
put_record({
  state = 'c', fence = fence, owner = ARGV[2], attempt = tonumber(ARGV[9]), max_attempts = tonumber(ARGV[8]),
  may_fail = ARGV[7] == 'f', sent = true, raw = ARGV[4], canonical = ARGV[5], lease = 0, lease_until = 0,
  cooldown_until = 0, retention = retention, expires_at = now + retention, claimed_at = math.floor(fence / 1000),
  completed_at = now, steps = 0, label = ARGV[10], followed_until = 0,
}, ARGV[3])
return 'resurrected'
