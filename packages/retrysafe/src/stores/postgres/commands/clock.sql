-- The store's clock, and what is derived from times. Never now(): it stands still within a transaction.

-- Microseconds since the epoch.
CREATE OR REPLACE FUNCTION retrysafe.clock_us() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$;

CREATE OR REPLACE FUNCTION retrysafe.clock_ms() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT retrysafe.clock_us() / 1000
$$;

-- When the server was started. Until a lease and its grace have passed after that, nobody's lease counts as lapsed:
-- its owner could not renew it meanwhile.
CREATE OR REPLACE FUNCTION retrysafe.up_since_ms() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint
$$;

-- The lease and the grace of 2 s after it are over.
CREATE OR REPLACE FUNCTION retrysafe.is_lapsed(lease_until_ms bigint, lease_ms integer, at_ms bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT $1 + 2000 <= $3 AND retrysafe.up_since_ms() + $2 + 2000 <= $3
$$;

-- An expired row counts as absent, whether it was swept or not; a running one only after its lease.
CREATE OR REPLACE FUNCTION retrysafe.is_expired(
  state "char", expires_at_ms bigint, lease_until_ms bigint, lease_ms integer, at_ms bigint
) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT $2 <= $5 AND ($1 <> 'r' OR retrysafe.is_lapsed($3, $4, $5))
$$;

CREATE OR REPLACE FUNCTION retrysafe.day_of(at_ms bigint) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT date '1970-01-01' + ($1 / 86400000)::integer
$$;

-- The partition for the bytes of a run that begins now: two days after the record would expire, so that even long runs
-- seldom have to move them.
CREATE OR REPLACE FUNCTION retrysafe.log_day_of(at_ms bigint, retention_ms bigint) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT retrysafe.day_of($1 + $2 + 172800000)
$$;
