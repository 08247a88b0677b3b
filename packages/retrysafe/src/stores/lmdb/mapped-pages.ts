import { readFileSync } from 'node:fs'
import type { Environment } from './environment.ts'

/**
 * Keeps the pages of the file that count as this process's memory few. Linux counts every page that was looked at, and
 * its neighbours, until it is unmapped; a batch of a million items looks at all of them.
 */
export class MappedPages {
  readonly #environment: Pick<Environment, 'remap'>
  readonly #maxBytes: number
  /** What the rest of the process has mapped: programs and libraries. */
  #restBytes: number
  #isBusy = false

  constructor(environment: Pick<Environment, 'remap'>, maxBytes: number) {
    this.#environment = environment
    this.#maxBytes = maxBytes
    this.#restBytes = residentFileBytes()
  }

  /** To be called often. */
  look(): void {
    if (this.#isBusy || residentFileBytes() - this.#restBytes < this.#maxBytes) return
    this.#isBusy = true
    void this.#environment.remap().finally(() => {
      this.#restBytes = Math.max(this.#restBytes, residentFileBytes())
      this.#isBusy = false
    })
  }
}

/** 0 where it cannot be told. */
function residentFileBytes(): number {
  try {
    const [, kibibytes = '0'] = /^RssFile:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? []
    return Number(kibibytes) * 1_024
  } catch {
    return 0
  }
}
