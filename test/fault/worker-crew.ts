import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readHistoryFile } from '../history/history-file.ts'
import type { Death, Operation } from '../history/operation.ts'
import { machineMs } from '../support/process-figures.ts'
import { type Member, startMember } from '../support/process-member.ts'

const program = new URL('./programs/worker.mjs', import.meta.url)

export interface Load {
  /** Concurrent calls of each process. */
  readonly callers: number
  /** How fast the window of keys that all draw from moves on. */
  readonly keysPerSecond: number
  readonly keysAtOnce: number
  /** Whether attempts also end by `free`, which deletes the record. */
  readonly frees: boolean
  readonly leaseMs: number
  /** Whether a completion without an answer is sent again until it has one. */
  readonly insists: boolean
}

/** One life of a worker. */
export interface Worker {
  readonly member: Member
  readonly history: string
  readonly acknowledgements: string
  readonly ledger: string
  acknowledged: number
}

/** Worker processes on one store, and everything that all their lives have written down. */
export class WorkerCrew {
  readonly alive: Worker[] = []
  readonly lives: Worker[] = []
  readonly deaths: Death[] = []
  readonly folder: string
  readonly url: string
  readonly #load: Load
  readonly #startMs = machineMs()
  #onProgress = (): void => {}

  /** @param folder for what they write down; `url`: of their store */
  constructor(folder: string, url: string, load: Load) {
    this.folder = folder
    this.url = url
    this.#load = load
  }

  start(): Worker {
    const place = this.lives.length
    const history = join(this.folder, `history-${place}.jsonl`)
    const acknowledgements = join(this.folder, `acknowledged-${place}.jsonl`)
    const ledger = join(this.folder, `effects-${place}.jsonl`)
    const settings = { url: this.url, history, acknowledgements, ledger, startMs: this.#startMs }
    const worker: Worker = {
      member: startMember(program, { ...settings, ...this.#load }),
      history,
      acknowledgements,
      ledger,
      acknowledged: 0,
    }
    worker.member.listen(news => {
      worker.acknowledged = (news as { acknowledged: number }).acknowledged
      this.#onProgress()
    })
    this.lives.push(worker)
    this.alive.push(worker)
    return worker
  }

  get acknowledged(): number {
    return this.lives.reduce((sum, { acknowledged }) => sum + acknowledged, 0)
  }

  /** Resolves once so many completions have been acknowledged in all. */
  async reach(count: number, withinMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`${this.acknowledged} of ${count} within ${withinMs} ms`)), withinMs)
        this.#onProgress = () => {
          if (this.acknowledged >= count) resolve()
        }
        this.#onProgress()
      })
    } finally {
      clearTimeout(timer)
      this.#onProgress = () => {}
    }
  }

  async kill(worker: Worker): Promise<void> {
    this.alive.splice(this.alive.indexOf(worker), 1)
    this.deaths.push({ process: worker.member.name, atMs: machineMs() })
    await worker.member.kill()
  }

  operationsOf({ history, member }: Worker): Operation[] {
    // Killed while it started: it has asked for nothing.
    return existsSync(history) ? readHistoryFile(history, member.name) : []
  }
}

/** Claims that a process was granted and had neither completed nor released when it died. */
export function heldBy(operations: readonly Operation[]): { key: string; fence: number }[] {
  const held = new Map<string, { key: string; fence: number }>()
  for (const { key, call, result } of operations) {
    if (call.step === 'claim' && result?.kind === 'acquired') held.set(call.owner, { key, fence: result.fence })
    if ((call.step === 'complete' || call.step === 'release') && result !== undefined) held.delete(call.owner)
  }
  return [...held.values()]
}
