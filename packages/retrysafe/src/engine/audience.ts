/** Those in this process who want what a run gives, beside the caller who began it. */
export class Audience {
  #count = 0
  #changed: () => void = nothing

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** @returns what takes the place back; a second time it does nothing */
  enter(): () => void {
    this.#count += 1
    this.#changed()
    let isIn = true
    return () => {
      if (!isIn) return
      isIn = false
      this.#count -= 1
      this.#changed()
    }
  }

  /** Calls `run` whenever somebody has come or gone. */
  onChange(run: () => void): void {
    this.#changed = run
  }
}

function nothing(): void {}
