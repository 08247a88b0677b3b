--!include record
local grace_ms = 2000

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
