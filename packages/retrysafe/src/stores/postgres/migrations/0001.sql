-- Tables of the store. `retrysafe.` stands for the schema that the user chose.
-- Times are milliseconds since the epoch on the server's clock (retrysafe.clock_us); durations are milliseconds.
-- Names are bytea: 32 bytes of SHA-256 after a 0, or any other text after a 1.

-- One row a key. Small and hot: what an update changes stands in no index, so that updates stay HOT; bytes stand in log.
CREATE TABLE retrysafe.record (
  fence             bigint   NOT NULL,
  lease_until_ms    bigint   NOT NULL,
  cooldown_until_ms bigint   NOT NULL,
  retention_ms      bigint   NOT NULL,
  expires_at_ms     bigint   NOT NULL,
  claimed_at_ms     bigint   NOT NULL,
  completed_at_ms   bigint,
  length_bytes      bigint   NOT NULL,
  -- When the sweep looks at the row; it may be later than expires_at_ms by a lease, never earlier than the row is worth it.
  sweep_at_ms       bigint   NOT NULL,
  lease_ms          integer  NOT NULL,
  attempt           integer  NOT NULL,
  steps             integer  NOT NULL,
  -- The partition of its bytes: not before the day on which the record expires.
  log_day           date     NOT NULL,
  max_attempts      smallint NOT NULL,
  -- r running, o open, c completed, u unknown, p purged
  state             "char"   NOT NULL,
  -- r rerun, f fail
  on_crash          "char"   NOT NULL,
  sent              boolean  NOT NULL,
  taken_over        boolean  NOT NULL,
  cancelled         boolean  NOT NULL,
  k                 bytea    NOT NULL,
  owner             bytea    NOT NULL,
  raw               bytea    NOT NULL,
  canonical         bytea,
  -- JSON in ASCII, so that every database encoding takes it.
  label             text     NOT NULL,
  CONSTRAINT record_pkey PRIMARY KEY (k) WITH (fillfactor = 80)
) WITH (
  -- Half of a page stays free: one batch may complete all of its rows, and finds room for their new versions there.
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_insert_scale_factor = 0.1,
  autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX record_sweep ON retrysafe.record (sweep_at_ms);

-- Outcomes and streams: pieces of at most 64 KiB. Whole days are dropped.
CREATE TABLE retrysafe.log (
  day   date   NOT NULL,
  k     bytea  NOT NULL,
  fence bigint NOT NULL,
  off   bigint NOT NULL,
  bytes bytea  NOT NULL,
  CONSTRAINT log_pkey PRIMARY KEY (day, k, fence, off)
) PARTITION BY RANGE (day);
-- Answers are compressed by nobody: it would cost more time than it saves, and pieces are read in parts.
ALTER TABLE retrysafe.log ALTER COLUMN bytes SET STORAGE EXTERNAL;
-- Takes the bytes of a day whose partition is not there; retrysafe.maintain moves them when it makes it.
CREATE TABLE retrysafe.log_default PARTITION OF retrysafe.log DEFAULT;

CREATE TABLE retrysafe.step (
  k       bytea   NOT NULL,
  id      bytea   NOT NULL,
  input   bytea   NOT NULL,
  attempt integer NOT NULL,
  -- The attempt that began it last.
  fence   bigint  NOT NULL,
  value   bytea,
  CONSTRAINT step_pkey PRIMARY KEY (k, id)
);

-- The keys of records in state u: an index over the state itself would make every update of a record cold.
CREATE TABLE retrysafe.unknown (
  k bytea NOT NULL,
  CONSTRAINT unknown_pkey PRIMARY KEY (k)
);

-- Somebody follows the record from another process.
CREATE TABLE retrysafe.follow_mark (
  k        bytea  NOT NULL,
  until_ms bigint NOT NULL,
  CONSTRAINT follow_mark_pkey PRIMARY KEY (k)
);
CREATE INDEX follow_mark_until ON retrysafe.follow_mark (until_ms);

-- Running attempts that are offered, once, to a retry without a key.
CREATE TABLE retrysafe.pair (
  id       bigint GENERATED ALWAYS AS IDENTITY,
  pair     bytea   NOT NULL,
  k        bytea   NOT NULL,
  fence    bigint  NOT NULL,
  count    integer NOT NULL,
  until_ms bigint  NOT NULL,
  taken_by bytea,
  CONSTRAINT pair_pkey PRIMARY KEY (pair, id)
);
CREATE INDEX pair_until ON retrysafe.pair (until_ms);

CREATE TABLE retrysafe.counter (
  bucket bytea            NOT NULL,
  name   bytea            NOT NULL,
  sum    double precision NOT NULL,
  CONSTRAINT counter_pkey PRIMARY KEY (bucket, name)
);
-- The last sequence number of each source in a bucket.
CREATE TABLE retrysafe.counter_source (
  bucket  bytea  NOT NULL,
  source  bytea  NOT NULL,
  number  bigint NOT NULL,
  seen_at bigint GENERATED ALWAYS AS IDENTITY,
  CONSTRAINT counter_source_pkey PRIMARY KEY (bucket, source)
);

CREATE TABLE retrysafe.meta (
  name  bytea NOT NULL,
  value bytea NOT NULL,
  CONSTRAINT meta_pkey PRIMARY KEY (name)
);

-- Effects of messages whose record lives elsewhere: the row commits with the effect.
CREATE TABLE retrysafe.inbox (
  name          bytea  NOT NULL,
  id            bytea  NOT NULL,
  expires_at_ms bigint NOT NULL,
  value         bytea,
  CONSTRAINT inbox_pkey PRIMARY KEY (name, id)
);
CREATE INDEX inbox_expiry ON retrysafe.inbox (expires_at_ms);

-- A record as an operator sees it. Numbers are double precision: clients read them without a parser of their own.
CREATE TYPE retrysafe.record_view AS (
  k bytea, state "char", fence double precision, attempt integer, max_attempts integer, on_crash "char", sent boolean,
  label text, claimed_at_ms double precision, completed_at_ms double precision, lease_left_ms double precision,
  expires_at_ms double precision, length_bytes double precision, steps integer
);
