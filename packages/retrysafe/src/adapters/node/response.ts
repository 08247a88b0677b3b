import type { ServerResponse } from 'node:http'
import type { Follower } from '../../engine/follower.ts'
import type { Replay } from '../../engine/replay.ts'
import { processSurroundings } from '../../engine/surroundings.ts'
import { type Problem, problemAnswer } from '../../protocol/problem.ts'
import type { KeyNotice } from '../../server/caller.ts'
import { noticeHeaders } from '../../server/notice.ts'
import { discard } from './incoming.ts'

/** As much of a response as answering takes: one of Node's, or the way beneath one that somebody else writes to. */
export type Outlet = Pick<
  ServerResponse,
  | 'destroyed'
  | 'headersSent'
  | 'writableEnded'
  | 'shouldKeepAlive'
  | 'req'
  | 'socket'
  | 'writeHead'
  | 'write'
  | 'end'
  | 'destroy'
  | 'flushHeaders'
  | 'removeHeader'
  | 'on'
  | 'once'
  | 'off'
>

/** Above this the copy costs more than the second write. */
const oneWriteBytes = 16_384

/**
 * Refuses. The client has the whole refusal at once; the connection goes on, or ends, when the rest of its request has
 * gone by.
 */
export function sendProblem(response: Outlet, problem: Problem, notice?: KeyNotice): void {
  if (response.headersSent || response.destroyed) return
  const { status, title, headers, body } = problemAnswer(problem)
  response.writeHead(status, title, [...headers, ...noticeHeaders(notice)])
  if (response.req.complete) return void response.end(body)
  refused.add(response)
  response.write(body)
  void discard(response.req, processSurroundings.timers).then(() => response.end())
}

/** Refusals that are out, whole, and wait for their request to go by. */
const refused = new WeakSet<object>()

/** Nothing more has to be written for it: its connection may end in good order. */
export function isRefused(response: Outlet): boolean {
  return refused.has(response)
}

/** Begins an answer of an upstream. `lengthBytes`: when it is known; else it goes in chunks, or ends with the connection. */
export function writeAnswerHead(
  response: Outlet,
  status: number,
  headers: readonly string[],
  framing: { kind: 'length'; bytes: number } | { kind: 'chunked' } | { kind: 'close' },
  notice: KeyNotice | undefined,
): void {
  const all = [...headers, ...noticeHeaders(notice)]
  if (framing.kind === 'length' && status !== 204 && status !== 304) all.push('Content-Length', String(framing.bytes))
  if (framing.kind === 'close' || (framing.kind === 'chunked' && response.req.httpVersion === '1.0')) {
    endingByClose.add(response)
  }
  if (framing.kind === 'close') {
    response.shouldKeepAlive = false
    // Without this Node would send chunks, whose clean end would vouch for a body that nobody can vouch for.
    response.removeHeader('transfer-encoding')
  } else if (framing.kind === 'chunked') {
    // Where a head says `Connection: close`, the fetch of Node 20 (undici 6) takes every end of the connection for that of
    // the answer. Unsaid, it is closed all the same for who asked for that.
    response.removeHeader('connection')
  }
  response.writeHead(status, all)
}

/** Answers that nothing but the end of their connection ends: HTTP/1.0 knows no chunks. */
const endingByClose = new WeakSet<object>()

/**
 * Ends a caller's connection in mid-answer so that it can't take what it has for the whole. Where the end of the
 * connection is the end of the answer, only a reset says that something is missing.
 */
export function breakOff(response: Outlet): void {
  if (endingByClose.has(response)) response.socket?.resetAndDestroy()
  response.destroy()
}

/** Sends an outcome from the store. */
export async function sendReplay(response: Outlet, replay: Replay, notice: KeyNotice): Promise<void> {
  const headers = [...replay.head.headers, 'Age', String(Math.floor(replay.ageMs / 1_000))]
  const framing = { kind: 'length', bytes: replay.lengthBytes } as const
  writeAnswerHead(response, replay.head.status, headers, framing, notice)
  if (replay.body.kind === 'whole') endWhole(response, replay.body.bytes)
  else await pipe(response, replay.body.follower)
}

/** A whole answer that is here: head and body in one piece. */
export function sendWhole(
  response: Outlet,
  head: { status: number; headers: readonly string[] },
  body: Uint8Array,
  notice: KeyNotice,
): void {
  if (response.destroyed) return
  writeAnswerHead(response, head.status, head.headers, { kind: 'length', bytes: body.byteLength }, notice)
  endWhole(response, body)
}

/** As Latin-1 text, byte for byte, Node sends a short body in one write with the head; as a buffer it takes two. */
function endWhole(response: Outlet, body: Uint8Array): void {
  if (body.byteLength > oneWriteBytes) response.end(body)
  else response.end(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'), 'latin1')
}

/** Sends a running answer as it comes. */
export async function sendLive(
  response: Outlet,
  follower: Follower,
  headers: readonly string[],
  notice: KeyNotice,
): Promise<void> {
  const { lengthBytes } = follower
  const framing =
    lengthBytes === undefined ? ({ kind: 'chunked' } as const) : ({ kind: 'length', bytes: lengthBytes } as const)
  writeAnswerHead(response, follower.head.status, headers, framing, notice)
  await pipe(response, follower)
}

/** Writes what the follower gives at the caller's pace. A run that broke breaks the caller's connection, never ends it. */
async function pipe(response: Outlet, follower: Follower): Promise<void> {
  const close = (): void => follower.close()
  response.once('close', close)
  const head = setImmediate(flushHead, response)
  try {
    for (;;) {
      const step = await follower.next()
      if (response.destroyed) return
      switch (step.kind) {
        case 'bytes':
          clearImmediate(head)
          if (!response.write(step.bytes)) await drained(response)
          break
        case 'end':
          response.end()
          return
        case 'broken':
          return breakOff(response)
      }
    }
  } catch {
    // The store that holds the rest is out of reach.
    breakOff(response)
  } finally {
    clearImmediate(head)
    close()
  }
}

/** Node keeps a head back for the first bytes, in one write; where none are here yet, a client's time-out may run. */
export function flushHead(response: Outlet): void {
  if (!response.destroyed) response.flushHeaders()
}

function drained(response: Outlet): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}
