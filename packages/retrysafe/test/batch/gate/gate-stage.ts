import { type Gate, type GateRules, openGate, type Pass } from '../../../src/batch/gate/gate.ts'
import { ManualTime } from '../../support/manual-time.ts'

/** Chance that always gives the middle. */
const middling = { unit: (): number => 0.5, bytes: (length: number): Uint8Array => new Uint8Array(length) }

/** A gate in manual time, and callers that say when they were let in. */
export class GateStage {
  readonly time: ManualTime = new ManualTime()
  readonly gate: Gate
  readonly signal: AbortSignal
  readonly #over: AbortController = new AbortController()
  readonly #beganMs: number
  /** When whoever asked by `come` was let in, in ms; or what it was told instead. */
  readonly entered: (number | 'stalled' | undefined)[] = []
  readonly passes: Pass[] = []
  /** What `onChange` showed. */
  readonly shown: { readonly limit: number; readonly heldMs: number }[] = []

  constructor(rules: Partial<GateRules> = {}) {
    const { surroundings } = this.time.process()
    const onChange = (gate: Gate): void => void this.shown.push({ limit: gate.limit, heldMs: gate.heldMs() })
    const all = { concurrency: 4, adaptive: true, giveUpMs: 600_000, firstAnswerMs: 30_000, onChange, ...rules }
    this.gate = openGate(all, { ...surroundings, random: middling })
    this.#beganMs = this.time.clock.monotonicMs()
    this.signal = this.#over.signal
  }

  /** So many callers come, one after the other. */
  async come(count: number, tokens = 0): Promise<void> {
    for (let caller = 0; caller < count; caller++) void this.#come(tokens)
    await this.time.advance(0)
  }

  /** One enters at once, or the test fails. */
  async enter(tokens = 0): Promise<Pass> {
    const pass = await this.gate.enter(this.signal, tokens)
    if (typeof pass !== 'object') throw new Error(`not let in: ${pass}`)
    return pass
  }

  stop(): void {
    this.#over.abort()
  }

  async #come(tokens: number): Promise<void> {
    const pass = await this.gate.enter(this.signal, tokens)
    if (typeof pass !== 'object') this.entered.push(pass)
    else {
      this.passes.push(pass)
      this.entered.push(this.time.clock.monotonicMs() - this.#beganMs)
    }
  }
}
