import type { StoreKey, Token } from '../../packages/retrysafe/src/engine/record.ts'
import type { ClaimTerms, LogPiece, Store } from '../../packages/retrysafe/src/engine/store.ts'
import { acquireToken, claimTerms, keyOf } from '../../packages/retrysafe/test/support/store-terms.ts'

/** What one trial of a step works on. */
export interface Stage {
  /** Over the connection that is cut. */
  readonly store: Store
  /** Over another one. */
  readonly direct: Store
  /** Nobody else's. */
  readonly name: string
  pass(ms: number): Promise<void>
}

/** A step that is cut, and sent again. `Ready`: what was made ready for it. */
export interface CutStep {
  readonly name: string
  /** Makes ready; answers the step. */
  prepare(stage: Stage): Promise<() => Promise<unknown>>
  /** What it answers when nothing of it was made before, as far as it matters. */
  readonly first: unknown
  /** What it answers when it was made, and nobody was told. Default: the same. */
  readonly again?: unknown
  /** What there is in the end, whether it arrived once or twice. */
  left(stage: Stage): Promise<unknown>
  readonly leaves: unknown
}

export const ready = { kind: 'acquired', attempt: 1, sent: true, onCrash: 'rerun' }
export const many = ['0', '1', '2', '3', '4']
export const five = <Value>(value: Value): Value[] => many.map(() => value)

export const keyIn = ({ name }: Stage, suffix = ''): StoreKey => keyOf(`${name}${suffix}`)
export const termsIn = (stage: Stage, change: Partial<ClaimTerms> = {}): ClaimTerms =>
  claimTerms({ key: keyIn(stage), ...change })
export const tokenIn = (stage: Stage, change: Partial<ClaimTerms> = {}): Promise<Token> =>
  acquireToken(stage.direct, termsIn(stage, change))

export function pieceOf(text: string, offsetBytes = 0): LogPiece {
  return { offsetBytes, bytes: Buffer.from(text) }
}

/** What anybody sees of the record. */
export async function viewOf(stage: Stage, suffix = ''): Promise<unknown> {
  const view = await stage.direct.get(keyIn(stage, suffix))
  if (view === undefined) return 'absent'
  const { state, attempt, sent, lengthBytes } = view
  return `${state}, attempt ${attempt}${sent ? ', sent' : ''}, ${lengthBytes} bytes`
}

/** What the next claim of somebody else is told. */
export async function toldNext(stage: Stage, suffix = ''): Promise<unknown> {
  const answer = await stage.direct.claim(termsIn(stage, { key: keyIn(stage, suffix), owner: 'next' }))
  if (answer.kind !== 'completed') return answer.kind
  return `completed: ${Buffer.from(answer.log.bytes ?? []).toString()}`
}

export function ofFive<Answer>(stage: Stage, ask: (key: StoreKey, token: Token) => Promise<Answer>) {
  return async (): Promise<() => Promise<Answer[]>> => {
    const keys = many.map(suffix => keyIn(stage, suffix))
    const tokens = await Promise.all(keys.map(key => tokenIn(stage, { key })))
    return () => Promise.all(keys.map((key, at) => ask(key, tokens[at] ?? { fence: 0, owner: '' })))
  }
}

export async function lapsed(stage: Stage, change: Partial<ClaimTerms>): Promise<() => Promise<unknown>> {
  await tokenIn(stage, { leaseMs: 500, ...change })
  await stage.pass(2_500)
  return () => stage.store.claim(termsIn(stage, { owner: 'b' }))
}
