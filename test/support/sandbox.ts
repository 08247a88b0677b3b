import { type Meter, meter } from './meter.ts'
import { type Program, startProgram } from './program.ts'

/** A sandbox in a process of its own. */
export interface Sandbox extends Program {
  readonly url: string
  readonly meter: Meter
}

/** @param port 0 picks one */
export async function startSandbox(port = 0, flags: readonly string[] = []): Promise<Sandbox> {
  const program = await startProgram(['sandbox', '--port', String(port), ...flags])
  const url = program.ready['url'] ?? ''
  return { ...program, url, meter: meter(url) }
}
