import { doubtful, type Finding, fine, wrong } from '../../finding.ts'
import { quoteIdentifier } from '../schema-name.ts'

/** What a server says of itself, on a connection like those of the store. */
export interface ServerFacts {
  readonly version: string
  /** As PostgreSQL numbers itself: 150018 is 15.18. */
  readonly number: number
  readonly role: string
  readonly database: string
  readonly standby: boolean
  readonly readOnly: boolean
  readonly isolation: string
  readonly fsync: boolean
  readonly fullPageWrites: boolean
  readonly synchronousCommit: string
  /** `synchronous_standby_names` is not empty. */
  readonly hasSynchronousStandby: boolean
  /** How late a commit may reach the disk under `synchronous_commit = off`: thrice this. */
  readonly walWriterDelay: string
  readonly autovacuum: boolean
  /** Connections that the server lets this role have to this database. */
  readonly connectionsAllowed: number
  readonly connectionsInUse: number
}

export const serverQuestion = `SELECT current_setting('server_version') AS version,
  current_setting('server_version_num')::int AS number,
  current_user::text AS role, current_database()::text AS database,
  pg_is_in_recovery() AS standby,
  current_setting('default_transaction_read_only')::boolean AS "readOnly",
  current_setting('default_transaction_isolation') AS isolation,
  current_setting('fsync')::boolean AS fsync,
  current_setting('full_page_writes')::boolean AS "fullPageWrites",
  current_setting('synchronous_commit') AS "synchronousCommit",
  current_setting('synchronous_standby_names') <> '' AS "hasSynchronousStandby",
  current_setting('wal_writer_delay') AS "walWriterDelay",
  current_setting('autovacuum')::boolean AS autovacuum,
  least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
      - coalesce(current_setting('reserved_connections', true)::int, 0),
    (SELECT nullif(rolconnlimit, -1) FROM pg_catalog.pg_roles WHERE rolname = current_user),
    (SELECT nullif(datconnlimit, -1) FROM pg_catalog.pg_database WHERE datname = current_database())
  ) AS "connectionsAllowed",
  (SELECT sum(numbackends)::int FROM pg_catalog.pg_stat_database) AS "connectionsInUse"`

const oldestMajor = 14

/** What these facts come to, each by itself. */
export function judgeServer(facts: ServerFacts): Finding[] {
  return [
    judgeVersion(facts),
    judgeWrites(facts),
    judgeIsolation(facts),
    judgeFsync(facts),
    judgePages(facts),
    judgeCommit(facts),
  ]
}

function judgeVersion({ version, number }: ServerFacts): Finding {
  const says = `PostgreSQL ${version}`
  if (number >= oldestMajor * 10_000) return fine('version', says)
  return wrong('version', `${says} is too old: Retrysafe needs ${oldestMajor} or newer`, 'upgrade the server')
}

function judgeWrites({ standby, readOnly, role }: ServerFacts): Finding {
  if (standby) return wrong('writes', 'the server is a standby and takes no writes', 'name the primary in the URL')
  if (!readOnly) return fine('writes', 'the server is a primary and takes writes')
  const cure = `ALTER ROLE ${quoteIdentifier(role)} SET default_transaction_read_only = off, or the same for the database`
  return wrong('writes', 'default_transaction_read_only is on: no claim can be made', cure)
}

function judgeIsolation({ isolation, role }: ServerFacts): Finding {
  const says = `default_transaction_isolation is ${isolation}`
  if (isolation === 'read committed') return fine('isolation', says)
  const cure = `ALTER ROLE ${quoteIdentifier(role)} SET default_transaction_isolation = 'read committed', or the same for the database`
  return wrong('isolation', `${says}: a step that lost a race would see the same row for ever`, cure)
}

function judgeFsync({ fsync }: ServerFacts): Finding {
  if (fsync) return fine('fsync', 'commits are on disk')
  const says =
    'fsync is off: when the machine loses power, outcomes that were acknowledged are gone, or the whole database'
  return wrong('fsync', says, 'fsync = on in postgresql.conf, then reload')
}

function judgePages({ fullPageWrites }: ServerFacts): Finding {
  if (fullPageWrites) return fine('full_page_writes', 'half-written pages are mended after a crash')
  const says =
    'full_page_writes is off: a page half written when power fails stays broken, unless the file system forbids it'
  return doubtful(
    'full_page_writes',
    says,
    'full_page_writes = on in postgresql.conf, then reload; leave it off on ZFS only',
  )
}

function judgeCommit({ synchronousCommit, hasSynchronousStandby, walWriterDelay, role }: ServerFacts): Finding {
  const check = 'synchronous_commit'
  const cure = `ALTER ROLE ${quoteIdentifier(role)} SET synchronous_commit = on; look at the URL and at postgresql.conf, too`
  const says = `synchronous_commit is ${synchronousCommit}`
  switch (synchronousCommit) {
    case 'off': {
      const loses = `a server that crashes forgets what it acknowledged in up to three times ${walWriterDelay} before`
      return wrong(check, `${says}: ${loses}, and those calls run again`, cure)
    }
    case 'local':
      if (!hasSynchronousStandby) return fine(check, `${says}, and there is no synchronous standby to wait for`)
      return doubtful(
        check,
        `${says}: a failover to a standby forgets the last outcomes, and those calls run again`,
        cure,
      )
    case 'remote_write': {
      if (!hasSynchronousStandby) return fine(check, `${says}, and there is no synchronous standby to wait for`)
      const loses = 'a failover to a standby that lost power, too, forgets the last outcomes'
      return doubtful(check, `${says}: ${loses}`, cure)
    }
    default: {
      const standby = hasSynchronousStandby
        ? 'a synchronous standby has each outcome before it is acknowledged'
        : 'a failover to a standby, if there is one, forgets the last outcomes: none is synchronous'
      return fine(check, `${says}; ${standby}`)
    }
  }
}

/** @param needed connections of one process */
export function judgeConnections({ connectionsAllowed, connectionsInUse }: ServerFacts, needed: number): Finding {
  const check = 'connections'
  const says = `a process uses up to ${needed} connections, this role may have ${connectionsAllowed} (${connectionsInUse} of the server's are in use)`
  const processes = Math.floor(connectionsAllowed / needed)
  if (processes >= 1) return fine(check, `${says}: enough for ${processes} process${processes === 1 ? '' : 'es'}`)
  return doubtful(check, says, 'lower connections= in the URL, raise max_connections, or put PgBouncer in between')
}
