--!include time
-- Offers of running attempts to retries that carry no key: { k, fence, count, until, taken_by or '' }, newest first.
local function load_offers()
  local packed = redis.call('GET', KEYS[1])
  local live = {}
  for _, offer in ipairs(packed and cmsgpack.unpack(packed) or {}) do
    if offer[4] > now then live[#live + 1] = offer end
  end
  return live
end

local function put_offers(offers)
  local last = now
  for _, offer in ipairs(offers) do last = math.max(last, offer[4]) end
  redis.call('SET', KEYS[1], cmsgpack.pack(offers), 'PXAT', string.format('%.0f', last))
end
