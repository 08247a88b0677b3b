import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './machine.ts'

const folder = 'processes'
const opening = 'opening'
const open = 'open'

/** Somebody in another pid namespace who has not said for so long that he is there is not. */
const staleMs = 600_000

/** Who has a store open: a marker file for each process. The dead leave theirs behind; the next one clears it away. */
export interface Openers {
  /** This process looks at the files and may open them. */
  come(): void
  /** This process has them open, and still has. */
  stay(): void
  leave(): void
  /** Processes that are here and not known to be gone; this one not among them. */
  names(): string[]
  /** Somebody else has the files open, and is not only looking. */
  anybodyElse(): boolean
}

export function openersOf(path: string, machine: Machine, now: Date): Openers {
  const markers = join(path, folder)
  const markerOf = (name: string): string => join(markers, encodeURIComponent(name))
  const own = markerOf(machine.processName)

  function names(): string[] {
    const others = readdirSync(markers)
      .map(decodeURIComponent)
      .filter(name => name !== machine.processName)
    const gone = others.filter(name => isGone(name, markerOf(name)))
    for (const name of gone) rmSync(markerOf(name), { force: true })
    return others.filter(name => !gone.includes(name))
  }

  function isGone(name: string, marker: string): boolean {
    if (machine.isGone(name) || bootOf(name) !== bootOf(machine.processName)) return true
    if (placeOf(name) === placeOf(machine.processName)) return false
    // Nobody here can see whether a process in another pid namespace lives.
    const mtimeMs = statSync(marker, { throwIfNoEntry: false })?.mtimeMs ?? 0
    return now.getTime() - mtimeMs > staleMs
  }

  return {
    come() {
      mkdirSync(markers, { recursive: true })
      writeFileSync(own, opening)
    },
    stay: () => writeFileSync(own, open),
    leave: () => rmSync(own, { force: true }),
    names,
    anybodyElse: () => names().some(name => readMarker(markerOf(name)) === open),
  }
}

/** No process outlives its boot. */
function bootOf(processName: string): string {
  return processName.split('.')[0] ?? ''
}

function placeOf(processName: string): string {
  return processName.split('/').slice(0, -2).join('/')
}

function readMarker(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // It has left meanwhile.
    return ''
  }
}
