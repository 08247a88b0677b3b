/** What one look at a store came to. */
export interface Finding {
  /** What was looked at, in a word. */
  readonly check: string
  /** `warning`: it works, and will hurt some day. `failed`: it does not work, or does not hold what it promises. */
  readonly level: 'ok' | 'warning' | 'failed'
  /** What was found and what it means, in one line. */
  readonly says: string
  /** What to do. */
  readonly cure?: string
}

export function fine(check: string, says: string): Finding {
  return { check, level: 'ok', says }
}

export function doubtful(check: string, says: string, cure: string): Finding {
  return { check, level: 'warning', says, cure }
}

/** @param cure may be left out where `says` has it */
export function wrong(check: string, says: string, cure?: string): Finding {
  return { check, level: 'failed', says, ...(cure !== undefined && { cure }) }
}
