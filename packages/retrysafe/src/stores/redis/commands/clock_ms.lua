#!lua flags=allow-oom
-- KEYS     any: whose node's clock
-- ARGV     none
-- Answers  the store's clock, ms
--!include time
return now
