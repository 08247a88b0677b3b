#!lua flags=allow-oom
-- Keeps a step's value; the first one stays.
--
-- KEYS     the record; its steps
-- ARGV     fence; owner; id; value
-- Answers  ok: k; exists: e, value; lost: l
--!include lapse
--!include step
local r = load_record()
if not is_mine(r, tonumber(ARGV[1]), ARGV[2]) or r.state ~= 'r' then return { 'l' } end
local s = load_step(r, ARGV[3])
if s == nil then return { 'l' } end
if s.value == nil then
  s.value = ARGV[4]
  put_step(ARGV[3], s)
  return { 'k' }
end
if s.value == ARGV[4] then return { 'k' } end
return { 'e', s.value }
