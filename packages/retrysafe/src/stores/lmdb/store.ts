import { resolve } from 'node:path'
import type { Clock, Surroundings } from '../../engine/clock.ts'
import { type Machine, readMachine } from '../../engine/machine.ts'
import { whole } from '../../engine/policy.ts'
import type { StoreKey, Token } from '../../engine/record.ts'
import {
  type ClaimAnswer,
  type ClaimTerms,
  inlineLogBytes,
  type OperatorAnswer,
  type ReadAnswer,
  type SealedLog,
  type Store,
} from '../../engine/store.ts'
import { processSurroundings } from '../../engine/surroundings.ts'
import { Hints } from '../hints.ts'
import { claimRow } from '../row/claim.ts'
import { type OperatorAct, operateOnRow } from '../row/operator.ts'
import { isExpired, isLapsed, type StoreTime, viewOf } from '../row/row.ts'
import { keepStepValue, type StepOutcome, startStep } from '../row/step.ts'
import { appendRow, completeRow, releaseRow, renewRow } from '../row/write.ts'
import { type Environment, openEnvironment } from './environment.ts'
import { type Folder, makeFolder } from './folder.ts'
import { FollowMarks } from './follow-marks.ts'
import { recordKey, stepKey } from './keys.ts'
import { listRecords } from './listing.ts'
import { MappedPages } from './mapped-pages.ts'
import { type Decision, type Loaded, Records } from './records.ts'
import { decodeStep, encodeStep } from './step-codec.ts'
import { releaseStopped } from './stopped-process.ts'
import { sweepExpired } from './sweep.ts'
import { Tallies } from './tallies.ts'

export interface LmdbStoreOptions {
  /** The folder of the store, on a local disk; made if it is not there. */
  readonly path: string
  /**
   * Default: this machine's clocks. Processes that share a folder must share the monotonic one.
   */
  readonly clock?: Clock
  /**
   * Bytes of the file that may count as this process's memory, because they were looked at, before it is mapped anew:
   * about 2 ms, and only while no other process has it open. 1_048_576 to 2^40; Linux alone. Default: all that the
   * system leaves there, which takes them back when somebody wants the room.
   */
  readonly maxMappedBytes?: number
}

/** How often a process that has the store open looks whether another one wants to open it … */
const attendMs = 50
/** … and every how many looks it says that it is still there. */
const looksPerSign = 20

/** CLOCK_MONOTONIC is the same in every process of a machine; `performance.now()` is not. */
const machineClock: Clock = {
  wallMs: processSurroundings.clock.wallMs,
  monotonicMs: () => Number(process.hrtime.bigint()) / 1e6,
}

/**
 * A store in a folder of this machine, shared by any number of its processes; what it has acknowledged survives
 * kill -9 and, as far as the disk keeps its word, a power failure.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`; `PEER_MISSING` without the package lmdb; `STORE_UNAVAILABLE` (no rights),
 * `STORE_FULL`, `STORE_INCOMPATIBLE` (a network file system, a newer version's file, a damaged file, which is set aside)
 * @example
 * const store = lmdbStore({ path: './retrysafe-data' })
 */
export function lmdbStore(options: LmdbStoreOptions): Store {
  const surroundings = { ...processSurroundings, clock: options.clock ?? machineClock }
  const { path, maxMappedBytes } = options
  if (maxMappedBytes !== undefined) whole('maxMappedBytes', maxMappedBytes, 1_048_576, 2 ** 40)
  return openLmdbStore(path, surroundings, readMachine(), maxMappedBytes)
}

/** `lmdbStore` on a machine of the caller's choice: a test may be another process, or another boot. */
export function openLmdbStore(
  path: string,
  surroundings: Surroundings,
  machine: Machine,
  maxMappedBytes?: number,
): Store {
  const { clock, timers, random } = surroundings
  const folder = makeFolder(resolve(path), machine, machineClock)
  const environment = openEnvironment({
    folder,
    timers,
    monotonicMs: machineClock.monotonicMs,
    stuck: () => releaseStopped(folder.openers.names(), machine),
  })
  const records = new Records(environment, machine, clock, random.unit)
  const hints = new Hints()
  const follows = new FollowMarks(environment, records, machine, hints, timers)
  const tallies = new Tallies(environment, clock, random.unit)
  // As long as it runs, this process can be asked to stand still for another one that opens the store.
  let looks = 0
  const mapped = maxMappedBytes === undefined ? undefined : new MappedPages(environment, maxMappedBytes)
  const attendance = setInterval(() => {
    attend(folder, environment, looks++ % looksPerSign === 0)
    mapped?.look()
  }, attendMs).unref()
  let lastFence = 0

  /** A step of the token's holder: decides on the row, writes, tells those who wait. */
  async function write<Answer>(
    key: StoreKey,
    decide: (loaded: Loaded | undefined, now: StoreTime, record: Buffer) => Decision<Answer>,
    isTold: (answer: Answer) => boolean = () => true,
  ): Promise<Answer> {
    const record = recordKey(key)
    const answer = await records.change(record, (loaded, now) => decide(loaded, now, record), 'owner')
    if (isTold(answer)) hints.tell(key)
    return answer
  }

  async function claim(terms: ClaimTerms): Promise<ClaimAnswer> {
    const record = recordKey(terms.key)
    let log: SealedLog = { lengthBytes: 0 }
    const answer = await records.change<ReturnType<typeof claimRow>['answer']>(
      record,
      (loaded, now) => {
        const fence = Math.max(Math.floor(now.wallMs * 1_000), lastFence + 1)
        const step = claimRow(loaded?.row, terms, now, fence)
        if (step.answer.kind === 'completed' && loaded !== undefined) log = sealedLog(record, loaded)
        return step
      },
      'owner',
    )
    if (answer.kind === 'acquired') lastFence = Math.max(lastFence, answer.token.fence)
    if (answer.kind !== 'completed') {
      if (answer.kind === 'acquired' || answer.kind === 'unknown') hints.tell(terms.key)
      return answer
    }
    return { ...answer, log }
  }

  function sealedLog(record: Buffer, loaded: Loaded): SealedLog {
    const { lengthBytes, fence } = loaded.row
    if (lengthBytes > inlineLogBytes) return { lengthBytes }
    return { lengthBytes, bytes: loaded.log ?? records.logs.collect(record, fence, lengthBytes) }
  }

  function read(key: StoreKey, fence: number, offsetBytes: number, limitBytes: number): ReadAnswer {
    environment.refresh()
    const now = records.time()
    const record = recordKey(key)
    const loaded = records.load(record, now)
    if (loaded?.isRebased) records.rebase(record)
    if (loaded === undefined || isExpired(loaded.row, now)) return { kind: 'ended', state: 'absent', cooldownMs: 0 }
    const { row } = loaded
    if (row.fence !== fence || (row.state !== 'running' && row.state !== 'completed')) {
      const cooldownMs = row.state === 'open' ? Math.max(0, row.cooldownUntilMs - now.leaseMs) : 0
      return { kind: 'ended', state: row.state, cooldownMs }
    }
    const sealed = row.state === 'completed'
    const bytes = records.logs.read(record, loaded, offsetBytes, limitBytes)
    return { kind: 'bytes', bytes, lengthBytes: row.lengthBytes, sealed, lapsed: !sealed && isLapsed(row, now) }
  }

  async function operate(key: StoreKey, fence: number, act: OperatorAct): Promise<OperatorAnswer> {
    const decide = (loaded: Loaded | undefined, now: StoreTime): Decision<OperatorAnswer> =>
      operateOnRow(loaded?.row, fence, act, now)
    const answer = await records.change(recordKey(key), decide, 'store')
    hints.tell(key)
    return answer
  }

  function takeStep<Answer>(key: Buffer, { answer, change }: StepOutcome<Answer>): Decision<Answer> {
    if (change === undefined) return { answer, change: { kind: 'keep' } }
    return { answer, change: { kind: 'put', row: change.row }, step: { key, value: encodeStep(change.step) } }
  }

  function storedStep(key: Buffer): ReturnType<typeof decodeStep> | undefined {
    const bytes = environment.steps.getBinary(key)
    return bytes === undefined ? undefined : decodeStep(bytes)
  }

  return {
    name: 'lmdb',
    traits: { crossProcess: true, transactional: false, mayLoseRows: false, pollMs: 100 },
    claim,
    claimMany: many => Promise.all(many.map(claim)),
    renew: (key, token, terms) =>
      write(
        key,
        (loaded, now, record) => renewRow(loaded?.row, token, terms, now, follows.isFollowed(key, record, now)),
        // Nobody follows a lease, so a renewal gives no hint, unless it says what somebody may wait for.
        () => terms.canonical !== undefined,
      ),
    append: (key, token, piece) =>
      write(key, (loaded, now, record) => {
        const step = appendRow(loaded?.row, token, piece, now, follows.isFollowed(key, record, now))
        return step.answer.kind === 'ok' ? { ...step, piece } : step
      }),
    complete: (key, token: Token, piece) =>
      write(key, (loaded, now) => {
        const step = completeRow(loaded?.row, token, piece, now)
        return step.answer === 'ok' ? { ...step, piece } : step
      }),
    release: (key, token, terms) => write(key, (loaded, now) => releaseRow(loaded?.row, token, terms, now)),
    read: async (key, fence, offsetBytes, limitBytes) => read(key, fence, offsetBytes, limitBytes),
    subscribe: (key, hint) => follows.subscribe(key, hint),
    stepStart: (key, token, step) =>
      write(key, (loaded, now, record) => {
        const at = stepKey(record, step.id)
        return takeStep(at, startStep(loaded?.row, storedStep(at), token, step, now))
      }),
    stepPut: (key, token, step) =>
      write(key, (loaded, now, record) => {
        const at = stepKey(record, step.id)
        return takeStep(at, keepStepValue(loaded?.row, storedStep(at), token, step.value, now))
      }),
    async stepGet(key, stepId) {
      environment.refresh()
      const now = records.time()
      const record = recordKey(key)
      const loaded = records.load(record, now)
      const hasSteps = loaded !== undefined && loaded.row.steps > 0 && !isExpired(loaded.row, now)
      const value = hasSteps ? storedStep(stepKey(record, stepId))?.value : undefined
      return value === undefined ? { kind: 'absent' } : { kind: 'exists', value }
    },
    offer: (pairKey, offer) => tallies.offer(pairKey, offer),
    take: (pairKey, taker) => tallies.take(pairKey, taker.count, taker.owner),
    count: (bucket, deltas, sequence) => tallies.count(bucket, deltas, sequence),
    counters: async bucket => tallies.counters(bucket),
    metaInit: (name, value) => tallies.metaInit(name, value),
    cancel: (key, fence) => operate(key, fence, { kind: 'cancel' }),
    resolve: (key, fence) => operate(key, fence, { kind: 'resolve' }),
    purge: (key, fence, { force }) => operate(key, fence, { kind: 'purge', force }),
    async get(key) {
      environment.refresh()
      const now = records.time()
      const loaded = records.load(recordKey(key), now)
      return loaded === undefined || isExpired(loaded.row, now) ? undefined : viewOf(key, loaded.row, now)
    },
    list: async query => listRecords(environment, environment.records, records, query),
    unknown: async query => listRecords(environment, environment.unknown, records, { ...query, state: 'unknown' }),
    async sweep(limit) {
      await tallies.sweep(limit)
      await follows.sweep(limit, records.time())
      return sweepExpired(environment, records, limit, key => hints.tell(key))
    },
    async now() {
      environment.refresh()
      return clock.wallMs()
    },
    async close() {
      clearInterval(attendance)
      follows.close()
      hints.close()
      await environment.close()
    },
  }
}

function attend(folder: Folder, environment: Environment, givesSign: boolean): void {
  try {
    if (givesSign) {
      if (!folder.isThere()) return environment.abandon()
      folder.openers.stay()
    }
    folder.gate.serve(run => environment.underLock(run))
  } catch {
    // The folder is gone or cannot be written: the next step of the store says so.
  }
}
