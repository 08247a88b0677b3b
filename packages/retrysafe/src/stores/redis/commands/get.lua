#!lua flags=allow-oom
-- A record as an operator sees it.
--
-- KEYS     the record
-- ARGV     none
-- Answers  state, fence, attempt, max_attempts, may_fail, sent, claimed_at_ms, completed_at_ms (0: not yet), lease_left_ms,
--          expires_at_ms, length, steps, label; nothing if it is absent
--!include log
--!include lapse
local r = load_record()
if r == nil or is_expired(r) then return {} end
return {
  r.state, r.fence, r.attempt, r.max_attempts, r.may_fail and 1 or 0, r.sent and 1 or 0, r.claimed_at, r.completed_at,
  r.lease_until - now, r.expires_at, length_of(r), r.steps, r.label,
}
