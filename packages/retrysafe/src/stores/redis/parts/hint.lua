--!include time
-- A hint for those who follow from other processes; without the right to publish they poll.
local function tell(r)
  if r.followed_until > now then redis.pcall('SPUBLISH', KEYS[1] .. ':n', '') end
end

local function is_followed(r)
  return r.followed_until > now and 1 or 0
end
