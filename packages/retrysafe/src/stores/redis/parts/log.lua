--!include record
-- A record's log is what stands behind its header.
local function length_of(r)
  return redis.call('STRLEN', key) - r.size
end
