#!lua flags=allow-oom
-- The value of a step, if it has one.
--
-- KEYS     the record; its steps
-- ARGV     id
-- Answers  value; or nothing
--!include lapse
--!include step
local r = load_record()
if r == nil or is_expired(r) then return {} end
local s = load_step(r, ARGV[1])
if s == nil or s.value == nil then return {} end
return { s.value }
