#!lua flags=allow-oom
-- Names in the index of unknown records, those that were added first at first.
--
-- KEYS     the index
-- ARGV     score and name after which the page begins, or -1 and empty; names at most
-- Answers  name, score, again and again
local score, name, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local page, at = {}, 0

-- By bytes, as the index has them; Lua's own order is that of the server's language.
local function is_behind(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a > b end
  end
  return #one > #other
end

while #page < 2 * most do
  local part = redis.call('ZRANGEBYSCORE', KEYS[1], score, '+inf', 'WITHSCORES', 'LIMIT', at, 1000)
  if #part == 0 then break end
  for i = 1, #part, 2 do
    local is_after = tonumber(part[i + 1]) > tonumber(score) or is_behind(part[i], name)
    if is_after and #page < 2 * most then
      page[#page + 1] = part[i]
      page[#page + 1] = part[i + 1]
    end
  end
  at = at + 1000
end
return page
