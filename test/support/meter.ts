import type { MeterReport, Spend } from '../../packages/gateway/src/sandbox/meter.ts'

/** The sandbox's meter: the judge of what was run and paid. */
export interface Meter {
  /** What was spent under one idempotency key. */
  key(key: string): Promise<Spend>
  /** How often that key was run. */
  runs(key: string): Promise<number>
  all(): Promise<MeterReport>
  /** Back to zero, also for faults with `times`. */
  reset(): Promise<void>
}

/** @param url of the sandbox itself, never of a gateway before it */
export function meter(url: string): Meter {
  const key = (name: string): Promise<Spend> => read<Spend>(`${url}/meter?key=${encodeURIComponent(name)}`)
  return {
    key,
    runs: async name => (await key(name)).runs,
    all: () => read<MeterReport>(`${url}/meter`),
    async reset() {
      await fetch(`${url}/meter`, { method: 'DELETE' })
    },
  }
}

async function read<Reading>(url: string): Promise<Reading> {
  const response = await fetch(url)
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`)
  return (await response.json()) as Reading
}
