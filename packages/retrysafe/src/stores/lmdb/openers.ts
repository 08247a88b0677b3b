import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RetrysafeError } from '../../engine/errors.ts'
import { type Machine, pidOf, placeOf } from './machine.ts'
import { sleep } from './sleep.ts'

const folder = 'processes'
const opening = 'opening'
const open = 'open'

/** Somebody in another pid namespace who has not said for so long that he is there is not. */
const staleMs = 10_000
/** A process says so more often than this. */
const sayMs = 3_000

/** Markers of this process, with how often it has their folder open: LMDB opens a file once for a whole process. */
const here = new Map<string, number>()

/** Who has a store open: a marker file for each process. The dead leave theirs behind; the next one clears it away. */
export interface Openers {
  /**
   * This process looks at the files and may open them; once for each `leave`.
   *
   * @throws {RetrysafeError} `STORE_UNAVAILABLE` when another container's process has the same pid
   */
  come(): void
  /** This process has them open, and still has: to be said every second or so. */
  stay(): void
  leave(): void
  /** Processes that are here and not known to be gone; this one not among them. */
  names(): string[]
  /** Those of them that have the files open, and are not only looking. */
  namesOfOpen(): string[]
}

export function openersOf(path: string, machine: Machine): Openers {
  const markers = join(path, folder)
  const markerOf = (name: string): string => join(markers, encodeURIComponent(name))
  const own = markerOf(machine.processName)

  function names(): string[] {
    const others = readdirSync(markers)
      .filter(file => !file.endsWith('.new'))
      .map(decodeURIComponent)
      .filter(name => name !== machine.processName)
    const gone = others.filter(isGone)
    for (const name of gone) rmSync(markerOf(name), { force: true })
    return others.filter(name => !gone.includes(name))
  }

  function isGone(name: string): boolean {
    if (machine.isGone(name) || bootOf(name) !== bootOf(machine.processName)) return true
    // Nobody here can see whether a process in another pid namespace lives.
    return placeOf(name) !== placeOf(machine.processName) && Date.now() - saidMs(markerOf(name)) > staleMs
  }

  /** LMDB locks by pid: with two processes of one pid, in two containers, the second would wait for the first to end. */
  function requirePid(): void {
    for (const name of names()) {
      if (here.has(markerOf(name)) || pidOf(name) !== pidOf(machine.processName)) continue
      if (placeOf(name) === placeOf(machine.processName)) continue
      const saidBeforeMs = saidMs(markerOf(name))
      for (const endMs = Date.now() + sayMs; Date.now() < endMs; sleep(20)) {
        if (saidMs(markerOf(name)) !== saidBeforeMs) throw samePid(path, pidOf(name))
      }
      rmSync(markerOf(name), { force: true })
    }
  }

  function write(text: string): void {
    writeFileSync(`${own}.new`, text)
    renameSync(`${own}.new`, own)
  }

  return {
    come() {
      mkdirSync(markers, { recursive: true })
      requirePid()
      const count = here.get(own) ?? 0
      here.set(own, count + 1)
      if (count === 0) write(opening)
    },
    stay() {
      if (readText(own) !== open) return write(open)
      const now = new Date()
      utimesSync(own, now, now)
    },
    leave() {
      const count = here.get(own) ?? 0
      if (count > 1) return void here.set(own, count - 1)
      here.delete(own)
      rmSync(own, { force: true })
    },
    names,
    namesOfOpen: () => names().filter(name => !here.has(markerOf(name)) && readText(markerOf(name)) === open),
  }
}

/** No process outlives its boot. */
function bootOf(processName: string): string {
  return processName.split('.')[0] ?? ''
}

function saidMs(marker: string): number {
  return statSync(marker, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // It has left meanwhile.
    return ''
  }
}

function samePid(path: string, pid: number): RetrysafeError {
  return new RetrysafeError(
    'STORE_UNAVAILABLE',
    `${path} is open in another container by a process with the same pid, ${pid}, and LMDB tells processes apart by their pid: share one pid namespace, or use redis:// or postgres://`,
  )
}
