import { statfs } from 'node:fs/promises'
import { fullDisk } from './folder.ts'

/** What a write is for: a claim begins something new, the bytes of an outcome end something that has cost money. */
export type Need = { readonly kind: 'claim' } | { readonly kind: 'bytes'; readonly bytes: number }

/** What a write takes beside its bytes: the pages above it, each written anew. */
const pagesBytes = 16_384
/** No claim may take the last of the disk: outcomes under way are to fit. At most so much, and an eighth of the disk. */
const mostReserveBytes = 67_108_864
/** Nor may outcomes take all: leases and the sweep go on. At most so much, and a 32nd of the disk. */
const mostFloorBytes = 1_048_576
/** An outcome that found no room is tried again within this, for as long as its process lives. */
const missedMs = 10_000
/** Others write to the disk too. */
const believeMs = 1_000

export interface DiskSize {
  readonly sizeBytes: number
  /** What this process may still write. */
  readonly freeBytes: number
}

export interface DiskRoomTerms {
  readonly path: string
  /** Default: asks the file system. `undefined`: it does not say. */
  readonly measure?: (path: string) => Promise<DiskSize | undefined>
  readonly monotonicMs: () => number
  /** Bytes of the file that LMDB may use again. */
  readonly insideBytes: () => number
}

/**
 * Refuses what a full disk would refuse: LMDB (3.5.6) does not survive that with values of more than a page, it damages
 * its own memory. An operator's quotas are not seen; what they refuse is told as ever.
 */
export class DiskRoom {
  readonly #terms: DiskRoomTerms
  /** What may be written without another look. */
  #budgetBytes = 0
  #believedUntilMs = 0
  #underWayBytes = 0
  #writtenBytes = 0
  /** What an outcome that found no room would have taken: until it has been tried again, that much more is kept free. */
  #missedBytes = 0
  #missedUntilMs = 0

  constructor(terms: DiskRoomTerms) {
    this.#terms = terms
  }

  /**
   * Sets room aside for a write; `leave` gives it back. Nearly always at once.
   *
   * @returns whether it has to fit into single pages of the file, because the file should not grow
   * @throws {RetrysafeError} `STORE_FULL`
   */
  enter(need: Need): boolean | Promise<boolean> {
    const bytes = costOf(need)
    if (bytes > this.#budgetBytes || this.#terms.monotonicMs() > this.#believedUntilMs) return this.#look(need)
    this.#budgetBytes -= bytes
    this.#underWayBytes += bytes
    return false
  }

  /** The write is over, one way or the other. */
  leave(need: Need): void {
    const bytes = costOf(need)
    this.#underWayBytes -= bytes
    this.#writtenBytes += bytes
  }

  async #look(need: Need): Promise<boolean> {
    const { path, measure = measureDisk, monotonicMs, insideBytes } = this.#terms
    const bytes = costOf(need)
    const writtenBefore = this.#writtenBytes
    const { sizeBytes, freeBytes: foundBytes } = (await measure(path)) ?? boundless
    const freeBytes = foundBytes - this.#underWayBytes - (this.#writtenBytes - writtenBefore)
    const reserveBytes = Math.min(mostReserveBytes, sizeBytes / 8)
    const leftBytes = freeBytes - bytes
    this.#budgetBytes = Math.max(0, (leftBytes - 2 * reserveBytes) / 2)
    const nowMs = monotonicMs()
    this.#believedUntilMs = nowMs + believeMs
    if (nowMs > this.#missedUntilMs) this.#missedBytes = 0
    const isClaim = need.kind === 'claim'
    const keptBytes = isClaim ? reserveBytes + this.#missedBytes : Math.min(mostFloorBytes, sizeBytes / 32)
    const isTight = leftBytes < keptBytes
    // Half of it: the newest may still be somebody's to read.
    const isFull = isTight && leftBytes + insideBytes() / 2 < keptBytes
    if (!isClaim) this.#noteOutcome(bytes, isFull, nowMs)
    if (isFull) throw fullDisk(path)
    this.#underWayBytes += bytes
    return isTight
  }

  #noteOutcome(bytes: number, isFull: boolean, nowMs: number): void {
    if (isFull) {
      this.#missedBytes = Math.max(this.#missedBytes, bytes)
      this.#missedUntilMs = nowMs + missedMs
    } else if (bytes >= this.#missedBytes) this.#missedBytes = 0
  }
}

const boundless: DiskSize = { sizeBytes: Number.POSITIVE_INFINITY, freeBytes: Number.POSITIVE_INFINITY }

async function measureDisk(path: string): Promise<DiskSize | undefined> {
  const disk = await statfs(path).catch(() => undefined)
  return disk && { sizeBytes: disk.blocks * disk.bsize, freeBytes: disk.bavail * disk.bsize }
}

/** Twice the bytes: pages are half full at the worst. */
function costOf(need: Need): number {
  return pagesBytes + (need.kind === 'bytes' ? 2 * need.bytes : 0)
}
