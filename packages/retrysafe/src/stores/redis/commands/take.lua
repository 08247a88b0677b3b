#!lua flags=allow-oom
-- Takes the newest offer whose count is one lower; the same owner gets the same one again.
--
-- KEYS     the pair
-- ARGV     count; owner
-- Answers  k, fence; or nothing
--!include pair
local count, owner = tonumber(ARGV[1]), ARGV[2]
local offers = load_offers()
local mine
for _, offer in ipairs(offers) do
  if offer[5] == owner then mine = mine or offer end
end
if mine then return { mine[1], mine[2] } end
for _, offer in ipairs(offers) do
  if offer[5] == '' and offer[3] == count - 1 then
    offer[5] = owner
    put_offers(offers)
    return { offer[1], offer[2] }
  end
end
return {}
