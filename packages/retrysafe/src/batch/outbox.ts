/** Results on their way to the consumer: as they come, or in the order of their items. */
export interface Outbox<Result> {
  /** Of every item that was begun, once; `undefined`: nothing came of it. */
  put(index: number, result: Result | undefined): void
  /** The next result, if its turn has come. */
  take(): Result | undefined
  /** Items that were begun and are not taken. */
  readonly size: number
  begin(index: number): void
}

export function openOutbox<Result>(order: 'completion' | 'input'): Outbox<Result> {
  return order === 'input' ? new InOrder() : new AsTheyCome()
}

class AsTheyCome<Result> implements Outbox<Result> {
  size = 0
  readonly #results: Set<{ readonly result: Result }> = new Set()

  begin(): void {
    this.size++
  }

  put(_index: number, result: Result | undefined): void {
    if (result === undefined) this.size--
    else this.#results.add({ result })
  }

  take(): Result | undefined {
    const [first] = this.#results
    if (first === undefined) return undefined
    this.#results.delete(first)
    this.size--
    return first.result
  }
}

class InOrder<Result> implements Outbox<Result> {
  /** By index; those that were begun follow each other. */
  readonly #results: Map<number, { readonly result: Result | undefined } | undefined> = new Map()

  get size(): number {
    return this.#results.size
  }

  begin(index: number): void {
    this.#results.set(index, undefined)
  }

  put(index: number, result: Result | undefined): void {
    this.#results.set(index, { result })
  }

  take(): Result | undefined {
    for (const [index, there] of this.#results) {
      if (there === undefined) return undefined
      this.#results.delete(index)
      if (there.result !== undefined) return there.result
    }
    return undefined
  }
}
