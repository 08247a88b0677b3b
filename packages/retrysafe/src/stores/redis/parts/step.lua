-- A step is a field of a hash: fence, attempt, input behind its length, whether it has a value, the value.
local function load_step(r, id)
  -- A hash that is there all the same is of an earlier life: its record went while their slot moved, and left it behind.
  if r.steps == 0 then return nil end
  local packed = redis.call('HGET', KEYS[2], id)
  if not packed then return nil end
  local s, has_value, value_at = {}
  s.fence, s.attempt, s.input, has_value, value_at = struct.unpack('<I7HHc0B', packed)
  if has_value == 1 then s.value = string.sub(packed, value_at) end
  return s
end

local function put_step(id, s)
  local head = struct.pack('<I7HHc0B', s.fence, s.attempt, #s.input, s.input, s.value and 1 or 0)
  redis.call('HSET', KEYS[2], id, head .. (s.value or ''))
end
