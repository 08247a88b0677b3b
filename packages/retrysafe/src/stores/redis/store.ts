import { RetrysafeError } from '../../engine/errors.ts'
import type { RecordView, StoreKey, Token } from '../../engine/record.ts'
import type {
  ClaimAnswer,
  ClaimTerms,
  CompleteAnswer,
  LogPiece,
  OperatorAnswer,
  ReleaseAnswer,
  ReleaseTerms,
  Store,
} from '../../engine/store.ts'
import { processSurroundings } from '../../engine/surroundings.ts'
import { ownerName, textName } from '../packed-names.ts'
import {
  bytesArgument,
  claimAnswer,
  claimArguments,
  fingerprintArgument,
  Reply,
  readAnswer,
  restoreArguments,
  tokenArguments,
  viewOf,
} from './answers.ts'
import { Followers } from './followers.ts'
import type { LinkTerms, RedisArgument, RedisLink } from './link.ts'
import { listRecords, UnknownIndex } from './listing.ts'
import { LiveAttempts } from './live-attempts.ts'
import { Names } from './names.ts'
import { openLink } from './open-link.ts'
import { Server } from './server.ts'
import { type RedisStoreOptions, readSettings, type Settings } from './settings.ts'
import { checkServers } from './startup-check.ts'

/** What a Redis string may have (proto-max-bulk-len), and a command's other arguments beside it. */
const mostBytes = 536_870_912 - 65_536

/**
 * A store in Redis (7.0 or newer) or Redis Cluster, for any number of processes and machines. What it has acknowledged
 * survives what the server's own writes survive: a restart only with `appendonly yes` and `appendfsync always`, a
 * failover only if the replica had it. It connects with its first step.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`; `PEER_MISSING` without `ioredis` or `redis`. Its steps: `STORE_UNAVAILABLE`,
 * `STORE_FULL`, `STORE_INCOMPATIBLE` (an older server, one that evicts), `REQUEST_INVALID` (a value over 512 MB)
 * @example
 * const store = redisStore({ url: 'redis://:secret@redis.internal:6379/0' })
 */
export function redisStore(options: RedisStoreOptions): Store {
  return openRedisStore(readSettings(options))
}

/** @param open the way to the server; another one in tests */
export function openRedisStore(
  settings: Settings,
  open: (settings: Settings, terms: LinkTerms) => RedisLink = openLink,
): Store {
  const { timers, clock } = processSurroundings
  const names = new Names(settings.prefix)
  const server = new Server(troubled => open(settings, { troubled }), {
    timeoutMs: settings.timeoutMs,
    surroundings: processSurroundings,
    check: link => checkServers(link, settings),
  })
  const followers = new Followers({ server, names, timers, monotonicMs: clock.monotonicMs })
  const unknowns = new UnknownIndex(server, names, get)
  const live = new LiveAttempts()
  let lastFence = 0

  async function claim(terms: ClaimTerms): Promise<ClaimAnswer> {
    const key = names.record(terms.key)
    const args = claimArguments(terms)
    const ask = async (isListed: '0' | '1') => {
      const now = (): RedisArgument[] => [...args, String(lastFence), String(server.calmMs), isListed]
      return claimAnswer(new Reply(await server.run('claim', [key], now)), terms.owner)
    }
    let answer = await ask('0')
    if (answer.kind === 'list') {
      await unknowns.add(terms.key)
      answer = await ask('1')
    }
    switch (answer.kind) {
      case 'list':
        throw new RetrysafeError('STORE_UNAVAILABLE', 'Redis: the record could not be listed as unknown; try again')
      case 'acquired':
        lastFence = Math.max(lastFence, answer.token.fence)
        live.begun(terms, answer)
        followers.hints.tell(terms.key)
        return answer
      case 'unknown':
        followers.hints.tell(terms.key)
        return answer
      default:
        return answer
    }
  }

  /** Asks, and once more where the server had forgotten a record that this process holds and could be put back. */
  async function insist(key: StoreKey, token: Token, ask: () => Promise<unknown>): Promise<[Reply, 'restored'?]> {
    const reply = new Reply(await ask())
    const attempt = reply.text(0) === 'absent' ? live.find(key, token) : undefined
    if (attempt === undefined) return [reply]
    await server.run('restore', [names.record(key)], restoreArguments(token, attempt))
    return [new Reply(await ask()), 'restored']
  }

  async function complete(key: StoreKey, token: Token, piece: LogPiece): Promise<CompleteAnswer> {
    mustFit(piece.bytes)
    const args = pieceArguments(token, piece)
    const [reply, restored] = await insist(key, token, () => server.run('complete', [names.record(key)], args))
    const answer = reply.text(0)
    if (answer === 'large') throw tooLarge(piece.offsetBytes + piece.bytes.byteLength)
    if (answer !== 'gap') live.ended(key, token)
    followers.hints.tell(key)
    if (answer === 'absent') return 'lost'
    return answer === 'ok' && restored ? 'resurrected' : (answer as CompleteAnswer)
  }

  async function release(key: StoreKey, token: Token, terms: ReleaseTerms): Promise<ReleaseAnswer> {
    const { end, cooldownMs, canonical } = terms
    const attempt = live.find(key, token)
    // Before it is sent: a renewal that comes to the server behind it must not bring back what it removed.
    live.ended(key, token)
    const args = [...tokenArguments(token), end, String(Math.ceil(cooldownMs)), fingerprintArgument(canonical)]
    const ask = async (isListed: '0' | '1') =>
      String(await server.run('release', [names.record(key)], [...args, isListed]))
    try {
      let answer = await ask('0')
      // Forgotten. Of what is free nothing would stay; anything else counts, or must not run again.
      if (answer === 'absent' && attempt !== undefined && end !== 'free') {
        await server.run('restore', [names.record(key)], restoreArguments(token, attempt))
        answer = await ask('0')
      }
      if (answer === 'list') {
        await unknowns.add(key)
        answer = await ask('1')
      }
      followers.hints.tell(key)
      return answer === 'lost' ? 'lost' : 'ok'
    } catch (error) {
      if (attempt !== undefined) live.goesOn(token, attempt)
      throw error
    }
  }

  async function get(key: StoreKey): Promise<RecordView | undefined> {
    return viewOf(key, new Reply(await server.run('get', [names.record(key)], [])))
  }

  async function operate(key: StoreKey, fence: number, act: string, force: boolean): Promise<OperatorAnswer> {
    const answer = await server.run('operate', [names.record(key)], [String(fence), act, force ? '1' : '0'])
    followers.hints.tell(key)
    return String(answer) as OperatorAnswer
  }

  return {
    name: 'redis',
    traits: { crossProcess: true, transactional: false, mayLoseRows: true, pollMs: 1_000, expiresItself: true },
    claim,
    claimMany: many => Promise.all(many.map(claim)),
    async renew(key, token, { leaseMs, sent, canonical }) {
      const args = [
        ...tokenArguments(token),
        String(leaseMs),
        sent === true ? '1' : '0',
        fingerprintArgument(canonical),
      ]
      const [reply] = await insist(key, token, () => server.run('renew', [names.record(key)], args))
      if (reply.text(0) !== 'k') return { kind: 'lost' }
      live.told(key, token, canonical)
      if (canonical !== undefined) followers.hints.tell(key)
      const followed = reply.number(2) === 1 || followers.hints.isFollowed(key)
      return { kind: 'ok', cancelled: reply.number(1) === 1, followed }
    },
    async append(key, token, piece) {
      mustFit(piece.bytes)
      const args = pieceArguments(token, piece)
      const [reply] = await insist(key, token, () => server.run('append', [names.record(key)], args))
      switch (reply.text(0)) {
        case 'k': {
          live.told(key, token, piece.canonical)
          followers.hints.tell(key)
          const followed = reply.number(2) === 1 || followers.hints.isFollowed(key)
          return { kind: 'ok', lengthBytes: reply.number(1), followed }
        }
        case 'g':
          return { kind: 'gap', lengthBytes: reply.number(1) }
        case 'd':
          return { kind: 'dup' }
        case 't':
          throw tooLarge(piece.offsetBytes + piece.bytes.byteLength)
        default:
          return { kind: 'lost' }
      }
    },
    complete,
    release,
    async read(key, fence, offsetBytes, limitBytes) {
      const args = [String(fence), String(offsetBytes), String(limitBytes)]
      return readAnswer(new Reply(await server.run('read', [names.record(key)], args)))
    },
    subscribe: (key, hint) => followers.subscribe(key, hint),
    async stepStart(key, token, { id, input, onCrash, maxAttempts }) {
      const step = [textName(id), fingerprintArgument(input), onCrash.slice(0, 1), String(maxAttempts)]
      const keys = [names.record(key), names.steps(key)]
      const reply = new Reply(await server.run('step_start', keys, [...tokenArguments(token), ...step]))
      switch (reply.text(0)) {
        case 'b':
          return { kind: 'begun', attempt: reply.number(1) }
        case 'e':
          return { kind: 'exists', value: reply.bytes(1) }
        case 'u':
          return { kind: 'unknown', attempt: reply.number(1) }
        case 'c':
          return { kind: 'changed' }
        default:
          return { kind: 'lost' }
      }
    },
    async stepPut(key, token, { id, value }) {
      mustFit(value)
      const keys = [names.record(key), names.steps(key)]
      const args = [...tokenArguments(token), textName(id), bytesArgument(value)]
      const reply = new Reply(await server.run('step_put', keys, args))
      switch (reply.text(0)) {
        case 'k':
          return { kind: 'ok' }
        case 'e':
          return { kind: 'exists', value: reply.bytes(1) }
        default:
          return { kind: 'lost' }
      }
    },
    async stepGet(key, stepId) {
      const keys = [names.record(key), names.steps(key)]
      const reply = new Reply(await server.run('step_get', keys, [textName(stepId)]))
      return reply.size === 0 ? { kind: 'absent' } : { kind: 'exists', value: reply.bytes(0) }
    },
    async offer(pairKey, { key, fence, count, ttlMs }) {
      await server.run('offer', [names.pair(pairKey)], [key, String(fence), String(count), String(ttlMs)])
    },
    async take(pairKey, { count, owner }) {
      const reply = new Reply(await server.run('take', [names.pair(pairKey)], [String(count), ownerName(owner)]))
      if (reply.size === 0) return { kind: 'none' }
      return { kind: 'taken', key: reply.text(0) as StoreKey, fence: reply.number(1) }
    },
    async count(bucket, deltas, { source, number }) {
      const pairs = Object.entries(deltas).flatMap(([name, delta]) => [textName(name), String(delta)])
      const answer = await server.run('count', names.counters(bucket), [textName(source), String(number), ...pairs])
      return String(answer) === 'dup' ? 'dup' : 'ok'
    },
    async counters(bucket) {
      const [sums] = names.counters(bucket)
      const reply = new Reply(await server.run('counters', [sums], []))
      const at = Array.from({ length: reply.size / 2 }, (_, pair) => 2 * pair)
      return Object.fromEntries(at.map(name => [reply.text(name), reply.number(name + 1)]))
    },
    async metaInit(name, value) {
      mustFit(value)
      return new Reply(await server.run('meta_init', [names.meta(name)], [bytesArgument(value)])).bytes(0)
    },
    cancel: (key, fence) => operate(key, fence, 'cancel', false),
    resolve: (key, fence) => operate(key, fence, 'resolve', false),
    purge: (key, fence, { force }) => operate(key, fence, 'purge', force),
    get,
    list: query => listRecords(server, names, get, query),
    unknown: query => unknowns.page(query),
    async sweep(limit) {
      // The server itself drops what has expired.
      await unknowns.sweep(limit)
      return 0
    },
    async now() {
      return new Reply(await server.run('clock_ms', [names.unknown], [])).number(0)
    },
    async close() {
      followers.close()
      await server.close()
    },
  }
}

function pieceArguments(token: Token, { offsetBytes, bytes, canonical }: LogPiece): (string | Buffer)[] {
  const rest = [fingerprintArgument(canonical), String(mostBytes)]
  return [...tokenArguments(token), String(offsetBytes), bytesArgument(bytes), ...rest]
}

function mustFit(bytes: Uint8Array): void {
  if (bytes.byteLength > mostBytes) throw tooLarge(bytes.byteLength)
}

function tooLarge(lengthBytes: number): RetrysafeError {
  return new RetrysafeError(
    'REQUEST_INVALID',
    `a string in Redis has at most 512 MB, and this takes ${lengthBytes} bytes`,
  )
}
