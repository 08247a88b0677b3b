import type { StoreKey, Token } from '../../packages/retrysafe/src/engine/record.ts'
import type { ClaimAnswer, ClaimTerms, Store, Subscription } from '../../packages/retrysafe/src/engine/store.ts'
import type { HistoryLog, OpenOperation } from './history-log.ts'
import type { Link, Message, Network } from './network.ts'
import type { Truth } from './truth.ts'
import type { Verdict } from './verdict.ts'
import { clockErrorMs } from './virtual-time.ts'

export interface Remote {
  readonly link: Link
  readonly network: Network
  readonly truth: Truth
  readonly history: HistoryLog
  readonly verdict: Verdict
  readonly pollMs: number
}

/** What an executor's own connection knows of a token: whether the store's word has come. */
export interface Heard {
  /** When the claim, or the last renewal that was acknowledged, was sent: on the executor's own clocks. */
  countedFrom: { wallMs: number; monotonicMs: number }
  leaseMs: number
  /** The store has acknowledged that the effect may begin. */
  marked: boolean
  /** The last renewal found no way to the store and back. */
  refused: boolean
}

/** A store as one executor has it: everything through the network. */
export interface RemoteStore {
  readonly store: Store
  /** What the store has said of this token to this executor, if it has said anything. */
  heard(token: Token): Heard | undefined
  /** The network delivers the first claim of the latest claimant of `key` once more, if there was one. */
  echo(key: StoreKey): void
  /** The connection is cut: the store forgets who follows here. */
  cut(): void
}

export function keyNumber(key: StoreKey): number {
  return key.charCodeAt(1) - 48
}

function message(name: string, step: number, key: StoreKey): Message {
  return { name, step, key: keyNumber(key) }
}

export function openRemoteStore(remote: Remote): RemoteStore {
  const { link, network, truth, history, pollMs } = remote
  const { clock } = link.host
  const heards = new Map<string, Heard>()
  const subscriptions = new Set<Subscription>()
  const firstClaims = new Map<StoreKey, { terms: ClaimTerms; operation: OpenOperation }>()
  /** When each claimant may come again: nobody who was told `cooling` asks before that. */
  const coolUntilMs = new Map<string, number>()

  function checkCooldown(owner: string): void {
    const until = coolUntilMs.get(owner)
    if (until === undefined || clock.monotonicMs() >= until - clockErrorMs) return
    remote.verdict.wrong('I12', 'a waiter claims again before its cooldown is over', network.nowMs)
  }

  function hear(owner: string, answer: ClaimAnswer, sentAt: Heard['countedFrom'], leaseMs: number): void {
    coolUntilMs.delete(owner)
    if (answer.kind === 'cooling') coolUntilMs.set(owner, clock.monotonicMs() + answer.leftMs)
    if (answer.kind === 'acquired')
      heards.set(nameOf(answer.token), { countedFrom: sentAt, leaseMs, marked: answer.sent, refused: false })
  }

  const store: Store = {
    ...truth.store,
    name: 'simulated',
    traits: { crossProcess: true, transactional: false, mayLoseRows: false, pollMs },
    async claim(terms) {
      checkCooldown(terms.owner)
      const sentAt = now()
      const entry = history.claim(link.host.name, terms)
      if (firstClaims.get(terms.key)?.terms.owner !== terms.owner)
        firstClaims.set(terms.key, { terms, operation: entry })
      const answer = await network.exchange(link, message('claim', 1, terms.key), again => {
        if (again) history.claim(link.host.name, terms, entry)
        return truth.claim(terms)
      })
      hear(terms.owner, answer, sentAt, terms.leaseMs)
      history.claimed(entry, answer)
      return answer
    },
    async renew(key, token, change) {
      const sentAt = now()
      const heard = heards.get(nameOf(token))
      const entry = history.renew(link.host.name, key, token, change)
      const answer = await network
        .exchange(link, message('renew', 2, key), again => {
          if (again) history.renew(link.host.name, key, token, change, entry)
          return truth.renew(key, token, change)
        })
        .catch(error => {
          if (heard !== undefined && change.sent === true) heard.refused = true
          throw error
        })
      if (answer.kind === 'ok' && heard !== undefined) {
        heard.countedFrom = sentAt
        heard.leaseMs = change.leaseMs
        heard.marked ||= change.sent === true
      }
      history.returned(entry, answer.kind)
      return answer
    },
    async append(key, token, piece) {
      const entry = history.append(link.host.name, key, token, piece.canonical)
      const answer = await network.exchange(link, message('append', 3, key), again => {
        if (again) history.append(link.host.name, key, token, piece.canonical, entry)
        return truth.append(key, token, piece, again)
      })
      history.returned(entry, answer.kind)
      return answer
    },
    async complete(key, token, piece) {
      const entry = history.complete(link.host.name, key, token, piece.canonical)
      const answer = await network.exchange(link, message('complete', 4, key), again => {
        if (again) history.complete(link.host.name, key, token, piece.canonical, entry)
        return truth.complete(key, token, piece, again)
      })
      history.returned(entry, answer)
      return answer
    },
    async release(key, token, terms) {
      const entry = history.release(link.host.name, key, token, terms)
      const answer = await network.exchange(link, message(`release ${terms.end}`, 5, key), again => {
        if (again) history.release(link.host.name, key, token, terms, entry)
        return truth.release(key, token, terms, again)
      })
      history.returned(entry, answer)
      return answer
    },
    read: (key, fence, offsetBytes, limitBytes) =>
      network.exchange(link, message('read', 6, key), () => truth.read(key, fence, offsetBytes, limitBytes)),
    subscribe(key, hint) {
      let closed = false
      let inner: Subscription | undefined
      // Asked for in a message of its own; when that is lost, polling must do.
      network
        .exchange(link, message('subscribe', 7, key), async () => {
          if (closed || inner !== undefined) return
          inner = truth.subscribe(key, () => network.hint(link, keyNumber(key), () => !closed && hint()))
          subscriptions.add(inner)
        })
        .catch(() => {})
      return {
        close() {
          closed = true
          inner?.close()
          if (inner !== undefined) subscriptions.delete(inner)
        },
      }
    },
    sweep: limit => network.exchange(link, { name: 'sweep', step: 8, key: -1 }, () => truth.sweep(limit)),
    close: async () => {},
  }

  function now(): Heard['countedFrom'] {
    return { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }
  }

  return {
    store,
    heard: token => heards.get(nameOf(token)),
    echo(key) {
      const first = firstClaims.get(key)
      if (first === undefined) return
      history.claim(link.host.name, first.terms, first.operation)
      void truth.claim(first.terms)
    },
    cut() {
      for (const subscription of subscriptions) subscription.close()
      subscriptions.clear()
    },
  }
}

function nameOf({ fence, owner }: Token): string {
  return `${fence} ${owner}`
}
