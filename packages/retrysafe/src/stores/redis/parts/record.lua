--!include time
-- A record is one string: a header of 64 bytes, then owner, raw, canonical (or empty) and label, each behind its length;
-- what follows is the log. One key, so that a cluster serves it also while its slot moves from one node to another.
local header_layout = '<BHc1BHHI7I6I6I6I6I6I6I4I4I4'
local names_layout = '<Hc0Hc0Hc0Hc0'
local key = KEYS[1]

local function load_record(head)
  head = head or redis.call('GETRANGE', key, '0', '511')
  if head == '' then return nil end
  -- Something else, or a record of another version.
  if #head < 65 or string.byte(head) ~= 1 then error('RETRYSAFE_VERSION') end
  local _, size, state, flags, attempt, max_attempts, fence, lease_until, cooldown_until, expires_at, claimed_at,
    completed_at, followed_until, lease, retention, steps = struct.unpack(header_layout, head)
  if size > #head then head = redis.call('GETRANGE', key, '0', size - 1) end
  local owner, raw, canonical, label = struct.unpack(names_layout, head, 65)
  -- All at once: a table that grows field by field is made anew six times.
  return {
    size = size, state = state, attempt = attempt, max_attempts = max_attempts, fence = fence, owner = owner,
    sent = flags % 2 >= 1, taken_over = flags % 4 >= 2, cancelled = flags % 8 >= 4, may_fail = flags % 16 >= 8,
    raw = raw, canonical = canonical, lease = lease, lease_until = lease_until, cooldown_until = cooldown_until,
    retention = retention, expires_at = expires_at, claimed_at = claimed_at, completed_at = completed_at,
    followed_until = followed_until, steps = steps, label = label,
  }
end
