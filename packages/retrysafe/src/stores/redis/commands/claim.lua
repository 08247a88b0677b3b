-- Claims a key for one execution. Reads first: a replay, a join or a refusal writes nothing. Without a line of flags, so
-- that a full server answers those still, and refuses only what would write.
--
-- KEYS   the record
-- ARGV   raw; canonical or empty; owner; lease_ms; retention_ms; on_crash (r or f); max_attempts; label; after_fence (the
--        fence that is drawn is above it); calm_ms (how long ago the caller last saw the server refuse or gone, or -1);
--        listed (1: the index of unknown records has this one)
-- Answers
--   a  fence, attempt, sent, on_crash       acquired
--   c  fence, age_ms, expires_at_ms, length; bytes, if there are at most 64 KiB     completed
--   r  fence, left_ms, length               running
--   m                                       another payload
--   d  fence                                undecided: the raw ones differ and a canonical one is not there yet
--   u  attempt                              unknown
--   w  left_ms, fence                       cooling
--   l                                       would become unknown: add it to the index and ask again
--!include replay
--!include write
local raw, canonical, owner = ARGV[1], ARGV[2], ARGV[3]
local lease, retention, after_fence = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[9])

local function acquired(r)
  return { 'a', r.fence, r.attempt, r.sent and 1 or 0, r.may_fail and 1 or 0 }
end

-- A new life of the key.
local function begin(old)
  local may_fail = ARGV[6] == 'f'
  local r = {
    state = 'r', fence = math.max((old and old.fence or 0) + 1, now_us, after_fence + 1), owner = owner, attempt = 1,
    max_attempts = tonumber(ARGV[7]), may_fail = may_fail, sent = not may_fail, taken_over = old and old.taken_over,
    raw = raw, canonical = canonical, lease = lease, lease_until = now + lease, cooldown_until = 0,
    retention = retention, expires_at = now + lease + retention, claimed_at = now, completed_at = 0, steps = 0,
    label = ARGV[8], followed_until = old and old.followed_until or 0,
  }
  put_record(r, '')
  return acquired(r)
end

-- Of most claims that write the key is new: they take no more than this.
local r = load_record(head)
if r == nil then return begin() end
--!include log
--!include lapse
--!include hint
local calm, is_listed = tonumber(ARGV[10]), ARGV[11] == '1'

local function begin_again()
  drop_steps(r)
  tell(r)
  return begin(r)
end

-- The next attempt of a record that is there: a takeover, or a new run of an open one.
local function next_attempt()
  r.taken_over = r.taken_over or r.state == 'r'
  r.state, r.owner, r.attempt = 'r', owner, r.attempt + 1
  r.fence = math.max(r.fence + 1, now_us, after_fence + 1)
  r.sent, r.cancelled = not r.may_fail, false
  r.lease, r.lease_until, r.cooldown_until = lease, now + lease, 0
  r.expires_at = math.max(r.expires_at, now + lease + r.retention)
  r.claimed_at, r.label = now, ARGV[8]
  put_record(r, '')
  tell(r)
  return acquired(r)
end

-- The cap is reached, or the policy forbids another run. The token stays: a late complete still heals it.
local function give_up()
  if not is_listed then return { 'l' } end
  r.state, r.expires_at = 'u', now + r.retention
  put_header(r, '')
  tell(r)
  return { 'u', r.attempt }
end

if is_expired(r, calm) then return begin_again() end
if r.owner == owner then
  if r.state == 'r' then return acquired(r) end
  -- A claim that arrives again after its attempt has ended must not run a second time.
  if r.state == 'o' or r.state == 'p' then return { 'w', math.max(1, r.cooldown_until - now), r.fence } end
end
if r.state == 'p' then return begin_again() end

local lapsed = r.state == 'r' and is_lapsed(r, calm)
-- Another payload is another payload, unless nothing of the first one is left: no counted attempt and no step.
local is_blank = r.state == 'o' and r.attempt == 0 and r.steps == 0
if r.raw ~= raw and not is_blank then
  if r.canonical == '' then
    -- Only a living owner can still tell; from anybody else no canonical form will come.
    if r.state == 'r' and not lapsed then return { 'd', r.fence } end
    return { 'm' }
  end
  if canonical == '' then return { 'd', r.fence } end
  if r.canonical ~= canonical then return { 'm' } end
end

if r.state == 'c' then
  local length = length_of(r)
  local answer = { 'c', r.fence, math.max(0, now - r.completed_at), r.expires_at, length }
  if length <= 65536 then answer[6] = redis.call('GETRANGE', key, r.size, -1) end
  return answer
elseif r.state == 'u' then
  return { 'u', r.attempt }
elseif r.state == 'o' then
  if r.cooldown_until > now then return { 'w', r.cooldown_until - now, r.fence } end
  if is_blank then return begin_again() end
  if r.attempt >= r.max_attempts and r.steps == 0 then return give_up() end
  return next_attempt()
end
if not lapsed then return { 'r', r.fence, math.max(0, r.lease_until - now), length_of(r) } end
if r.steps > 0 or (r.attempt < r.max_attempts and not (r.may_fail and r.sent)) then return next_attempt() end
return give_up()
