-- Offers an attempt, once; the same offer again changes nothing, taken or not.
--
-- KEYS     the pair
-- ARGV     k; fence; count; ttl_ms
-- Answers  ok
--!include pair
local fence, count = tonumber(ARGV[2]), tonumber(ARGV[3])
local offers = load_offers()
for _, offer in ipairs(offers) do
  if offer[1] == ARGV[1] and offer[2] == fence and offer[3] == count then return 'ok' end
end
table.insert(offers, 1, { ARGV[1], fence, count, now + tonumber(ARGV[4]), '' })
-- 64 at most; the newest are taken first anyway.
offers[65] = nil
put_offers(offers)
return 'ok'
