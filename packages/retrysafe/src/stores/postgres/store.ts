import type { RecordView, StoreKey } from '../../engine/record.ts'
import type {
  ClaimAnswer,
  ClaimTerms,
  CompleteAnswer,
  ListQuery,
  OperatorAnswer,
  RecordPage,
  ReleaseAnswer,
  RenewAnswer,
  Store,
} from '../../engine/store.ts'
import { processSurroundings } from '../../engine/surroundings.ts'
import { fingerprintName, keyName, ownerName, storeKeyOf, textName } from '../packed-names.ts'
import { Batcher } from './batcher.ts'
import { type Free, mustBeFree, untilFree } from './busy.ts'
import { completeInTransaction } from './complete-in.ts'
import { Database } from './database.ts'
import { Followers } from './followers.ts'
import { Maintenance } from './maintenance.ts'
import { readCursor } from './names.ts'
import { type PostgresStoreOptions, readSettings } from './settings.ts'
import {
  type AppendRow,
  appendAnswer,
  asBuffer,
  type ClaimRow,
  claimAnswer,
  claimColumns,
  claimValues,
  letterOf,
  type PieceRequest,
  pageOf,
  pieceColumns,
  pieceValues,
  type ReadRow,
  readAnswer,
  type StepRow,
  stepPutAnswer,
  stepStartAnswer,
  tokenValues,
  type ViewRow,
  viewOf,
} from './steps.ts'

/** What most steps answer, and whether somebody in another process follows the record. */
interface Told<Kind> {
  readonly kind: Kind | 'busy'
  readonly followed: boolean | null
}

/** A transaction of somebody's own that completes a record may hold it for long: claims and renewals then say so. */
const heldMs = 1_000

/** A store whose outcomes can be part of the caller's own transaction. */
export type PostgresStore = Store & Required<Pick<Store, 'completeIn'>>

/**
 * A store in PostgreSQL (14 or newer), for any number of processes and machines, also behind PgBouncer in transaction
 * mode. What it has acknowledged survives whatever the server's own commits survive. It connects with its first step;
 * `retrysafe migrate` makes its tables.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`; `PEER_MISSING` without the package pg. Its steps: `STORE_UNAVAILABLE`,
 * `STORE_FULL`, `STORE_INCOMPATIBLE` (no schema of this version), `REQUEST_INVALID` (a value that PostgreSQL cannot keep)
 * @example
 * const store = postgresStore({ url: 'postgres://app:secret@db.internal:5432/app' })
 */
export function postgresStore(options: PostgresStoreOptions): PostgresStore {
  const { timers, clock } = processSurroundings
  const settings = readSettings(options)
  const database = new Database(settings)
  const { monotonicMs } = clock
  const channel = `retrysafe ${settings.schema}`
  const { listenConnectionString } = settings
  const followers = new Followers({ database, timers, monotonicMs, channel, listenConnectionString })
  const maintenance = new Maintenance(database, monotonicMs)
  let lastFence = 0

  const patience = { patienceMs: settings.timeoutMs, monotonicMs }
  const claims = new Batcher<ClaimTerms, ClaimRow>({
    one: terms => database.call('claim', [...claimValues(terms), lastFence]),
    many: all => database.callInOrder('claim_many', [...claimColumns(all), lastFence]),
    // At most 64 of one key go together, and exactly one of them is granted, as ever: a herd is soon through, and those
    // behind it go beside it.
    nameOf: ({ key, owner }) => `${key} ${owner.slice(0, 1)}`,
    bytesOf: () => 1_024,
    ...patience,
  })
  const appends = new Batcher<PieceRequest, AppendRow>({
    one: request => database.call('append', pieceValues(request)),
    many: all => database.callInOrder('append_many', pieceColumns(all)),
    nameOf: ({ key }) => key,
    bytesOf: ({ piece }) => piece.bytes.byteLength,
    ...patience,
  })
  const completes = new Batcher<PieceRequest, Told<CompleteAnswer>>({
    one: request => database.call('complete', [...pieceValues(request), false]),
    many: all => database.callInOrder('complete_many', pieceColumns(all)),
    nameOf: ({ key }) => key,
    bytesOf: ({ piece }) => piece.bytes.byteLength,
    ...patience,
  })

  /** A step that changes a record: asked until nobody else has the row, then told to those who wait. */
  async function write<Row extends { kind: string; followed?: boolean | null }>(
    key: StoreKey,
    ask: () => Promise<Row>,
  ): Promise<Free<Row>> {
    const row = mustBeFree(await untilFree(ask, settings.timeoutMs, processSurroundings))
    followers.tell(key, row.followed === true)
    return row
  }

  async function claim(terms: ClaimTerms): Promise<ClaimAnswer> {
    maintenance.sees(terms.retentionMs)
    const row = await untilFree(() => claims.add(terms), heldMs, processSurroundings)
    const answer = claimAnswer(row, terms.owner)
    switch (answer.kind) {
      case 'busy':
        // Somebody has been writing it all this time, so it is not there for the taking. Whoever that is: their payload
        // was not compared with this one, so no fence that something could be read with.
        return { kind: 'running', fence: 0, leaseLeftMs: 0, lengthBytes: 0 }
      case 'acquired':
        lastFence = Math.max(lastFence, answer.token.fence)
        followers.tell(terms.key, false)
        return answer
      case 'unknown':
        followers.tell(terms.key, false)
        return answer
      default:
        return answer
    }
  }

  async function get(key: StoreKey): Promise<RecordView | undefined> {
    const [row] = await database.callMany<ViewRow>('get', [keyName(key)])
    return row === undefined ? undefined : viewOf(row)
  }

  async function list({ state, cursor, limit }: ListQuery): Promise<RecordPage> {
    return pageOf(await database.callMany<ViewRow>('list', [letterOf(state), readCursor(cursor), limit]))
  }

  async function operate(key: StoreKey, fence: number, act: string, force: boolean): Promise<OperatorAnswer> {
    const ask = (): Promise<Told<OperatorAnswer>> => database.call('operate', [keyName(key), fence, act, force])
    return (await write(key, ask)).kind
  }

  return {
    name: 'postgres',
    traits: { crossProcess: true, transactional: true, mayLoseRows: false, pollMs: 1_000 },
    claim,
    claimMany: many => Promise.all(many.map(claim)),
    async renew(key, token, { leaseMs, sent, canonical }): Promise<RenewAnswer> {
      const values = [...tokenValues(key, token), leaseMs, sent === true, fingerprintName(canonical)]
      const { kind, cancelled, followed } = await untilFree(
        () => database.call<Told<'ok' | 'lost'> & { cancelled: boolean }>('renew', values),
        heldMs,
        processSurroundings,
      )
      if (kind !== 'ok') return { kind }
      // Nobody follows a lease, so a renewal gives no hint, unless it says what somebody may wait for.
      if (canonical !== undefined) followers.tell(key, followed === true)
      return { kind, cancelled, followed: followed === true || followers.hints.isFollowed(key) }
    },
    async append(key, token, piece) {
      const row = await write(key, () => appends.add({ key, token, piece }))
      return mustBeFree(appendAnswer(row, followers.hints.isFollowed(key)))
    },
    async complete(key, token, piece): Promise<CompleteAnswer> {
      return (await write(key, () => completes.add({ key, token, piece }))).kind
    },
    completeIn: (tx, key, token, piece) => completeInTransaction(tx, database.schema, { key, token, piece }),
    async release(key, token, { end, cooldownMs, canonical }): Promise<ReleaseAnswer> {
      const values = [...tokenValues(key, token), end, Math.ceil(cooldownMs), fingerprintName(canonical)]
      const ask = (): Promise<Told<ReleaseAnswer>> => database.call('release', values)
      return (await write(key, ask)).kind
    },
    async read(key, fence, offsetBytes, limitBytes) {
      const values = [keyName(key), fence, offsetBytes, limitBytes]
      const ask = (): Promise<ReadRow> => database.call('read', values)
      return mustBeFree(readAnswer(await untilFree(ask, settings.timeoutMs, processSurroundings)))
    },
    subscribe: (key, hint) => followers.subscribe(key, hint),
    async stepStart(key, token, { id, input, onCrash, maxAttempts }) {
      const step = [textName(id), fingerprintName(input), onCrash.slice(0, 1), maxAttempts]
      return stepStartAnswer(
        await write(key, () => database.call<StepRow>('step_start', [...tokenValues(key, token), ...step])),
      )
    },
    async stepPut(key, token, { id, value }) {
      const values = [...tokenValues(key, token), textName(id), asBuffer(value)]
      return stepPutAnswer(await write(key, () => database.call<StepRow>('step_put', values)))
    },
    async stepGet(key, stepId) {
      const [row] = await database.callMany<{ value: Buffer | null }>('step_get', [keyName(key), textName(stepId)])
      return row === undefined || row.value === null ? { kind: 'absent' } : { kind: 'exists', value: row.value }
    },
    async offer(pairKey, { key, fence, count, ttlMs }) {
      await database.call('offer', [textName(pairKey), keyName(key), fence, count, ttlMs])
    },
    async take(pairKey, { count, owner }) {
      const values = [textName(pairKey), count, ownerName(owner)]
      const { k, fence } = await database.call<{ k: Buffer | null; fence: number }>('take', values)
      return k === null ? { kind: 'none' } : { kind: 'taken', key: storeKeyOf(k), fence }
    },
    async count(bucket, deltas, { source, number }) {
      const names = Object.keys(deltas).map(textName)
      const values = [textName(bucket), names, Object.values(deltas), textName(source), number]
      return (await database.call<{ kind: 'ok' | 'dup' }>('count', values)).kind
    },
    async counters(bucket) {
      const rows = await database.callMany<{ name: Buffer; sum: number }>('counters', [textName(bucket)])
      return Object.fromEntries(rows.map(({ name, sum }) => [name.toString(), sum]))
    },
    async metaInit(name, value) {
      return (await database.call<{ value: Buffer }>('meta_init', [textName(name), asBuffer(value)])).value
    },
    cancel: (key, fence) => operate(key, fence, 'cancel', false),
    resolve: (key, fence) => operate(key, fence, 'resolve', false),
    purge: (key, fence, { force }) => operate(key, fence, 'purge', force),
    get,
    list,
    unknown: query => list({ ...query, state: 'unknown' }),
    sweep: limit => maintenance.sweep(limit),
    async now() {
      return Number((await database.call<{ clock_ms: string }>('clock_ms', [])).clock_ms)
    },
    async close() {
      followers.close()
      await database.close()
    },
  }
}
