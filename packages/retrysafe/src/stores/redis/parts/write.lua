--!include record
local steps_key = key .. ':p'

local function pack_record(r)
  local flags = (r.sent and 1 or 0) + (r.taken_over and 2 or 0) + (r.cancelled and 4 or 0) + (r.may_fail and 8 or 0)
  local names = struct.pack(names_layout, #r.owner, r.owner, #r.raw, r.raw, #r.canonical, r.canonical, #r.label, r.label)
  return struct.pack(header_layout, 1, 64 + #names, r.state, flags, r.attempt, r.max_attempts, r.fence, r.lease_until,
    r.cooldown_until, r.expires_at, r.claimed_at, r.completed_at, r.followed_until, r.lease, r.retention, r.steps) .. names
end

-- When Redis may drop the key: never while it counts, and never under a live lease. That of a running record may have
-- lapsed in an outage (up to an hour), in which nobody could renew it. Where an older owner may still write, the key never
-- goes sooner than it would have gone before: a new life with a shorter retention does not let that owner in again.
local function ends_at(r)
  local ends = r.state == 'r' and math.max(r.expires_at, r.lease_until + 3600000) or r.expires_at
  if r.taken_over then ends = math.max(ends, redis.call('PEXPIRETIME', key)) end
  return string.format('%.0f', ends)
end

-- Writes the record with `log` as its whole log.
local function put_record(r, log)
  redis.call('SET', key, pack_record(r) .. log, 'PXAT', ends_at(r))
  if r.steps > 0 then redis.call('PEXPIREAT', steps_key, ends_at(r)) end
end

-- Writes the header, keeps the log, and adds `more` to it.
local function put_header(r, more)
  local header = pack_record(r)
  if #header ~= r.size then return put_record(r, redis.call('GETRANGE', key, r.size, -1) .. more) end
  redis.call('SETRANGE', key, 0, header)
  if more ~= '' then redis.call('APPEND', key, more) end
  redis.call('PEXPIREAT', key, ends_at(r))
  if r.steps > 0 then redis.call('PEXPIREAT', steps_key, ends_at(r)) end
end

local function drop_steps(r)
  if r.steps > 0 then redis.call('DEL', steps_key) end
  r.steps = 0
end
