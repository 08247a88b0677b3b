import type { Engine } from '../engine/engine.ts'
import { type OptionNames, problemOf } from '../engine/refusal.ts'
import type { Problem } from '../protocol/problem.ts'
import type { Caller, KeyNotice } from './caller.ts'

/** A request for the rest of a stream. */
export interface StreamRequest {
  readonly engine: Engine
  readonly caller: Caller
  readonly tenant: string
  /** As it came: anybody's, or nobody's. */
  readonly id: string
  readonly query: string
  readonly names: OptionNames
  /** Fires when the client has left. */
  readonly gone: () => AbortSignal
}

/** What has a full stop is some file of the app's own. */
const streamPath = /\/_retrysafe\/streams\/([^/.]+)$/

/** The id in the path that every stream of ours is resumed by, wherever it is mounted; `undefined`: another request. */
export function streamIdIn(method: string, path: string): string | undefined {
  return method === 'GET' ? streamPath.exec(path)?.[1] : undefined
}

const refused: KeyNotice = { outcome: 'refused', key: undefined }

/** One answer for all who may not know more. */
const unknown: Problem = { code: 'STREAM_UNKNOWN', detail: 'There is no such stream, or not any more, or not for you.' }

/** Answers with a stream from the offset on, to its end. Rejects as the store does: then nothing has been answered. */
export async function resumeStream(request: StreamRequest): Promise<void> {
  const { engine, caller, tenant, id, query, names, gone } = request
  const generation = engine.identity.streamIds.read(tenant, id)
  if (generation === undefined) return caller.problem(unknown, refused)
  const offsetBytes = readOffset(query)
  if (offsetBytes === undefined) {
    const detail = 'offset takes one whole decimal number: the bytes of the body that you have.'
    return caller.problem({ code: 'REQUEST_INVALID', detail }, refused)
  }
  const resumption = await engine.resume({ ...generation, offsetBytes, signal: gone() })
  switch (resumption.kind) {
    case 'follow': {
      const { follower } = resumption
      const { status, headers } = follower.head
      // Beside those of problems, a recorded 404 would be read as one.
      const head = { ...follower.head, status: status >= 200 && status <= 299 ? status : 200 }
      const outcome = follower.lengthBytes === undefined ? 'joined' : 'replayed'
      return caller.live({ ...follower, head }, uncached(headers), { outcome, key: undefined, stream: id })
    }
    case 'unknown':
      return caller.problem(unknown, refused)
    case 'superseded': {
      const detail = 'A newer run has taken its place, with other bytes: begin anew.'
      return caller.problem({ code: 'STREAM_SUPERSEDED', detail }, refused)
    }
    case 'past the end':
      return caller.problem(
        { code: 'OFFSET_INVALID', detail: `The stream has fewer than ${offsetBytes} bytes.` },
        refused,
      )
    case 'not kept':
      return caller.problem(problemOf({ code: 'RESULT_NOT_KEPT' }, undefined, names), refused)
    case 'left':
      return
  }
}

/** @returns `undefined` for what is no offset; what no stream reaches counts as the largest */
function readOffset(query: string): number | undefined {
  const [text = '0', second] = new URLSearchParams(query).getAll('offset')
  if (second !== undefined || !/^\d+$/.test(text)) return undefined
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER)
}

/** What the answer to a POST allowed a cache, the answer to a GET must not: it belongs to its tenant. */
function uncached(headers: readonly string[]): string[] {
  const kept = headers.filter((_, at) => !/^(?:cache-control|expires)$/i.test(headers[at & ~1] ?? ''))
  return [...kept, 'Cache-Control', 'no-store']
}
