/** Something that may not be. `invariant` is its name in docs/protocol.md: I1 to I13. */
export interface Violation {
  readonly invariant: string
  readonly what: string
  readonly atMs: number
}

/** What was seen to go wrong; the first of it is what counts, the rest often follows from it. */
export class Verdict {
  readonly violations: Violation[] = []

  wrong(invariant: string, what: string, atMs: number): void {
    if (this.violations.length < 20) this.violations.push({ invariant, what, atMs })
  }
}
