import { readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { RetrysafeError } from '../../engine/errors.ts'
import { type Machine, pidOf, placeOf } from '../../engine/machine.ts'
import { makeFolders, readText, replaceText } from './files.ts'
import { sleep } from './sleep.ts'

const folder = 'processes'
const opening = 'opening'
const open = 'open'

/** Somebody in another pid namespace who has not said for so long that he is there is not. */
const staleMs = 10_000
/** A process says so more often than this. */
const sayMs = 3_000

/** Markers of this thread, with how often it has their folder open: LMDB opens a file once for a whole process. */
const here = new Map<string, number>()

/** Who has a store open: a marker file for each thread. The dead leave theirs behind; the next one clears it away. */
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
  /** This process has them open already: another store of this thread, or another thread. */
  isOpenHere(): boolean
}

export function openersOf(path: string, machine: Machine): Openers {
  const markers = join(path, folder)
  const markerOf = (name: string, thread: number): string => join(markers, `${encodeURIComponent(name)}~${thread}`)
  const own = markerOf(machine.processName, threadId)

  function files(): string[] {
    return readdirSync(markers).filter(file => /~\d+$/.test(file))
  }

  function markersOf(name: string): string[] {
    return files()
      .filter(file => nameOf(file) === name)
      .map(file => join(markers, file))
  }

  function names(): string[] {
    const others = new Set(files().map(nameOf))
    others.delete(machine.processName)
    const gone = [...others].filter(isGone)
    for (const name of gone) forget(name)
    return [...others].filter(name => !gone.includes(name))
  }

  function forget(name: string): void {
    for (const marker of markersOf(name)) rmSync(marker, { force: true })
  }

  function isGone(name: string): boolean {
    if (machine.isGone(name) || bootOf(name) !== bootOf(machine.processName)) return true
    // Nobody here can see whether a process in another pid namespace lives.
    return placeOf(name) !== placeOf(machine.processName) && Date.now() - saidMs(markersOf(name)) > staleMs
  }

  /** LMDB locks by pid: with two processes of one pid, in two containers, the second would wait for the first to end. */
  function requirePid(): void {
    for (const name of names()) {
      if (here.has(markerOf(name, threadId)) || pidOf(name) !== pidOf(machine.processName)) continue
      if (placeOf(name) === placeOf(machine.processName)) continue
      const saidBeforeMs = saidMs(markersOf(name))
      for (const endMs = Date.now() + sayMs; Date.now() < endMs; sleep(20)) {
        if (saidMs(markersOf(name)) !== saidBeforeMs) throw samePid(path, pidOf(name))
      }
      forget(name)
    }
  }

  return {
    come() {
      makeFolders(markers)
      requirePid()
      const count = here.get(own) ?? 0
      here.set(own, count + 1)
      if (count === 0) replaceText(own, opening)
    },
    stay() {
      if (readText(own) !== open) return replaceText(own, open)
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
    namesOfOpen: () =>
      names().filter(
        name => !here.has(markerOf(name, threadId)) && markersOf(name).some(marker => readText(marker) === open),
      ),
    isOpenHere: () =>
      (here.get(own) ?? 0) > 1 ||
      markersOf(machine.processName).some(marker => marker !== own && readText(marker) === open),
  }
}

/** No process outlives its boot. */
function bootOf(processName: string): string {
  return processName.split('.')[0] ?? ''
}

function nameOf(file: string): string {
  return decodeURIComponent(file.slice(0, file.lastIndexOf('~')))
}

function saidMs(markers: readonly string[]): number {
  return Math.max(0, ...markers.map(marker => statSync(marker, { throwIfNoEntry: false })?.mtimeMs ?? 0))
}

function samePid(path: string, pid: number): RetrysafeError {
  return new RetrysafeError(
    'STORE_UNAVAILABLE',
    `${path} is open in another container by a process with the same pid, ${pid}, and LMDB tells processes apart by their pid: share one pid namespace, or use redis:// or postgres://`,
  )
}
