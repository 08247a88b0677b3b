import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Engine } from 'retrysafe/internal/engine/engine'
import type { RequestHead } from 'retrysafe/internal/server/request-head'
import type { GatewayConfig } from '../config/config.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { CanonicalBodies } from './canonical-bodies.ts'
import type { CountedLine } from './counted-line.ts'
import type { Exchanges } from './exchanges.ts'
import type { Pairing } from './keyless/pairing.ts'
import type { Observer } from './observe/observer.ts'
import type { CallRules, RuleTable } from './rules.ts'
import type { StoreWatch } from './store-watch.ts'
import type { Route, Upstreams } from './upstreams.ts'

/** What the answering of every request goes by. */
export interface ProxyParts {
  readonly config: GatewayConfig
  readonly rules: RuleTable
  readonly engine: Engine
  readonly storeWatch: StoreWatch
  readonly upstreams: Upstreams
  readonly canonicalBodies: CanonicalBodies
  /** Callers without a credential are let in: only this machine can reach the listener. */
  readonly anonymous: boolean
  readonly exchanges: Exchanges
  readonly ledger: Ledger
  /** Set under `--observe`: then nothing else is done. */
  readonly observer: Observer | undefined
  /** Requests with a used key and another payload. */
  readonly reuses: CountedLine
  /** Requests that a full store refused: one line each would fill the disk that is full. */
  readonly refusedAsFull: CountedLine
  /** Runs that were stopped because nobody wanted them any more. */
  readonly desertions: CountedLine
  readonly pairing: Pairing
  readonly isDraining: () => boolean
  readonly log: (message: string) => void
}

/** A request whose upstream and rules are known. */
export interface RoutedRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly head: RequestHead
  readonly route: Route
  readonly rules: CallRules
  /** Path and query as the upstream takes them. */
  readonly target: string
  /** As the client sent it, without its question mark. */
  readonly query: string
}
