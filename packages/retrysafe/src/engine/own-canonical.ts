import type { Fingerprint } from '../fingerprint/fingerprint.ts'

/**
 * The owner's canonical fingerprint, to go with each of its writes until one that carried it was acknowledged. That of
 * a large body takes its time: the writes before it is there go without, the last one waits for it.
 */
export class OwnCanonical {
  readonly #make: () => Fingerprint | Promise<Fingerprint>
  #made: Fingerprint | undefined
  #making: Promise<void> | undefined
  /** It is stored, or will never be there. */
  #over = false

  constructor(make: () => Fingerprint | Promise<Fingerprint>) {
    this.#make = make
  }

  /** What a write says of it now. The first question makes it. */
  says(): { canonical?: Fingerprint } {
    if (this.#over || this.whenMade() !== undefined || this.#made === undefined) return {}
    return { canonical: this.#made }
  }

  /** Resolves when it is there; `undefined` when nothing has to be waited for. Never rejects: then there is none. */
  whenMade(): Promise<void> | undefined {
    if (this.#made !== undefined || this.#over || this.#making !== undefined) return this.#making
    const made = this.#make()
    if (typeof made === 'string') this.#made = made
    else {
      this.#making = made.then(
        fingerprint => {
          this.#made = fingerprint
          this.#making = undefined
        },
        () => {
          this.#over = true
          this.#making = undefined
        },
      )
    }
    return this.#making
  }

  /** A write that carried it was acknowledged. */
  stored(): void {
    this.#over = true
  }
}
