import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RetrysafeError } from '../../engine/errors.ts'
import type { Machine } from '../../engine/machine.ts'
import { readText, replaceText } from './files.ts'
import type { Openers } from './openers.ts'
import { sleep } from './sleep.ts'
import { releaseStopped } from './stopped-process.ts'

/**
 * One process at a time opens the store, and while it does nobody commits.
 *
 * lmdb 3.5.6 (mdb_env_open2) sets the transaction number that all processes share from a header that it has read before,
 * without LMDB's lock: a commit between the two is undone, and acknowledged outcomes are lost. So an opener asks one
 * process that has the store open to hold LMDB's write lock meanwhile.
 */
export interface OpeningGate {
  /** @throws {RetrysafeError} `STORE_UNAVAILABLE` when another process does not answer */
  pass<Value>(open: () => Value): Value
  /** Holds the lock for an opener that asks this process; to be called often. */
  serve(underLock: (run: () => void) => void): void
}

interface Request {
  readonly opener: string
  readonly holder?: string
}

const patienceMs = 15_000
/** A process that has not answered by then is asked no more: it may be stopped, or gone. */
const answerMs = 1_000
/** The longest anybody holds the lock for another: an opener needs a few milliseconds. */
const holdMs = 5_000
const lookMs = 1

export function openingGate(path: string, machine: Machine, openers: Openers, monotonicMs: () => number): OpeningGate {
  const gate = join(path, 'opening')
  const held = join(path, 'held')
  const own = machine.processName

  function enter(): void {
    for (const endMs = monotonicMs() + patienceMs; ; sleep(lookMs)) {
      try {
        return writeFileSync(gate, JSON.stringify({ opener: own } satisfies Request), { flag: 'wx' })
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'EEXIST') throw error
      }
      const request = readRequest(gate)
      // Whoever died while it opened leaves the gate shut.
      if (request === undefined ? isOld(gate) : isOver(request.opener)) removeOf(request?.opener)
      else if (monotonicMs() > endMs) throw unanswered(request?.opener)
    }
  }

  /** Only that opener's: somebody else may have removed it, and opened a gate of his own. */
  function removeOf(opener: string | undefined): void {
    if (readRequest(gate)?.opener === opener) rmSync(gate, { force: true })
  }

  function isOver(processName: string): boolean {
    return processName !== own && !openers.names().includes(processName)
  }

  function ask(holder: string): void {
    replaceText(gate, JSON.stringify({ opener: own, holder } satisfies Request))
  }

  /** Waits until somebody holds LMDB's lock, or nobody is there who could commit. */
  function requireQuiet(): void {
    const asked = new Set<string>()
    for (const endMs = monotonicMs() + patienceMs; monotonicMs() < endMs; ) {
      const others = openers.namesOfOpen()
      const running = others.filter(name => machine.stoppedPid(name) === undefined)
      // Stopped inside a commit they hold the lock: whoever opens waits for it, and whoever is asked to hold it stands
      // still. Elsewhere they commit nothing.
      releaseStopped(others, machine)
      if (running.length === 0) return
      const holder = running.find(name => !asked.has(name)) ?? running[0]
      if (holder === undefined) return
      asked.add(holder)
      ask(holder)
      for (const answerByMs = monotonicMs() + answerMs; monotonicMs() < answerByMs; sleep(lookMs)) {
        if (readText(held) === own) return
        if (isOver(holder)) break
      }
    }
    throw unanswered([...asked].at(-1))
  }

  return {
    pass(open) {
      enter()
      try {
        requireQuiet()
        return open()
      } finally {
        removeOf(own)
      }
    },
    serve(underLock) {
      if (!existsSync(gate)) return
      const request = readRequest(gate)
      if (request?.holder !== own || request.opener === own) return
      underLock(() => {
        const endMs = monotonicMs() + holdMs
        writeFileSync(held, request.opener)
        while (readRequest(gate)?.holder === own && !isOver(request.opener) && monotonicMs() < endMs) sleep(lookMs)
        rmSync(held, { force: true })
      })
    },
  }
}

function unanswered(processName: string | undefined): RetrysafeError {
  const pid = processName?.split('/').at(-2)
  return new RetrysafeError(
    'STORE_UNAVAILABLE',
    `process ${pid ?? ''} has the LMDB store open and does not answer: end it, or wait until it does`,
  )
}

/** `undefined`: not there, or not written to its end. */
function readRequest(path: string): Request | undefined {
  try {
    return JSON.parse(readText(path)) as Request
  } catch {
    return undefined
  }
}

/** Of a request that nobody has written to its end. */
function isOld(path: string): boolean {
  const written = statSync(path, { throwIfNoEntry: false })
  return written !== undefined && Date.now() - written.mtimeMs > answerMs
}
