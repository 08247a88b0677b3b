--!include write
-- Leaves a tombstone: an older owner may still write, and must be told `lost`. It lives at least for the retention, for
-- so long a `complete` whose record is not there may bring it back.
local function entomb(r)
  drop_steps(r)
  r.state, r.taken_over, r.expires_at = 'p', true, now + math.max(86400000, r.retention)
  put_record(r, '')
end

-- Removes a record; after a takeover a tombstone stays.
local function remove(r)
  if r.taken_over then return entomb(r) end
  drop_steps(r)
  redis.call('DEL', key)
end

local function make_unknown(r)
  r.state, r.expires_at = 'u', now + r.retention
  put_header(r, '')
end
