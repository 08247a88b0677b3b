/** A binary heap of (time, name), earliest first. Entries may be stale: whoever pops one looks at the thing itself. */
export class ExpiryHeap<Name> {
  readonly #entries: { atMs: number; name: Name }[] = []

  get size(): number {
    return this.#entries.length
  }

  clear(): void {
    this.#entries.length = 0
  }

  push(atMs: number, name: Name): void {
    const entries = this.#entries
    let at = entries.length
    entries.push({ atMs, name })
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(at, parent)) return
      this.#swap(at, parent)
      at = parent
    }
  }

  /** Takes the earliest entry if it is due at `nowMs`. */
  popDue(nowMs: number): Name | undefined {
    const entries = this.#entries
    const first = entries[0]
    if (first === undefined || first.atMs > nowMs) return undefined
    const last = entries.pop()
    if (last !== undefined && entries.length > 0) {
      entries[0] = last
      this.#sink()
    }
    return first.name
  }

  #sink(): void {
    let at = 0
    for (;;) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2]) if (this.#before(child, least)) least = child
      if (least === at) return
      this.#swap(at, least)
      at = least
    }
  }

  #before(a: number, b: number): boolean {
    const first = this.#entries[a]
    const second = this.#entries[b]
    return first !== undefined && second !== undefined && first.atMs < second.atMs
  }

  #swap(a: number, b: number): void {
    const first = this.#entries[a]
    const second = this.#entries[b]
    if (first === undefined || second === undefined) return
    this.#entries[a] = second
    this.#entries[b] = first
  }
}
