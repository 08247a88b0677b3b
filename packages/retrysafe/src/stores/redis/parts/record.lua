--!include time
-- A record is one string: a header of 64 bytes, then owner, raw, canonical (or empty) and label, each behind its length;
-- what follows is the log. One key, so that a cluster serves it also while its slot moves from one node to another.
local grace_ms = 2000
local header_layout = '<BHc1BHHI7I6I6I6I6I6I6I4I4I4'
local names_layout = '<Hc0Hc0Hc0Hc0'
-- Where `followed_until` begins, from 0.
local followed_at = 46
local key = KEYS[1]
local steps_key = key .. ':p'

local function load_record(head)
  head = head or redis.call('GETRANGE', key, 0, 511)
  if head == '' then return nil end
  -- Something else, or a record of another version.
  if #head < 65 or string.byte(head) ~= 1 then error('RETRYSAFE_VERSION') end
  local r, _, flags = {}
  _, r.size, r.state, flags, r.attempt, r.max_attempts, r.fence, r.lease_until, r.cooldown_until, r.expires_at,
    r.claimed_at, r.completed_at, r.followed_until, r.lease, r.retention, r.steps = struct.unpack(header_layout, head)
  if r.size > #head then head = redis.call('GETRANGE', key, 0, r.size - 1) end
  r.owner, r.raw, r.canonical, r.label = struct.unpack(names_layout, head, 65)
  r.sent = flags % 2 >= 1
  r.taken_over = flags % 4 >= 2
  r.cancelled = flags % 8 >= 4
  r.may_fail = flags % 16 >= 8
  return r
end

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

local function length_of(r)
  return redis.call('STRLEN', key) - r.size
end

-- How long the server has been up, in ms, rather less than more: it tells whole seconds only.
local function up_ms()
  local info = redis.pcall('INFO', 'server')
  local seconds = type(info) == 'string' and string.match(info, 'uptime_in_seconds:(%d+)')
  return seconds and (seconds - 1) * 1000 or math.huge
end

-- The lease and the grace are over, and the owner could have renewed it: the server was there for as long as that, also as
-- the caller saw it (`calm`: how long ago it last saw the server refuse or gone, -1: never; nil: it does not say).
local function is_lapsed(r, calm)
  return r.lease_until + grace_ms <= now and up_ms() >= r.lease + grace_ms
    and (calm == nil or calm < 0 or calm >= r.lease + grace_ms)
end

local function is_expired(r, calm)
  return r.expires_at <= now and (r.state ~= 'r' or is_lapsed(r, calm))
end

-- The token decides every write; whether the lease has lapsed plays no part. What has expired is nobody's.
local function is_mine(r, fence, owner)
  return r ~= nil and r.fence == fence and r.owner == owner and not is_expired(r)
end

-- A hint for those who follow from other processes; without the right to publish they poll.
local function tell(r)
  if r.followed_until > now then redis.pcall('SPUBLISH', key .. ':n', '') end
end

local function is_followed(r)
  return r.followed_until > now and 1 or 0
end

local function drop_steps(r)
  if r.steps > 0 then redis.call('DEL', steps_key) end
  r.steps = 0
end
