import type { IdempotencyContext } from '../engine/context.ts'
import type { Outgoing } from './outgoing.ts'

/** Where the engine keeps what runs (`callContext`). There is nothing where the runtime has no AsyncLocalStorage. */
const place = Symbol.for('retrysafe.running')

/** How often each call was made in a run: two that are alike are two, and the second run makes the same two. */
const made = new WeakMap<IdempotencyContext, Run>()
interface Run {
  readonly counts: Map<string, number>
  /** All calls before the next one have been counted. */
  counted: Promise<void>
}
/** Names that are counted apart in one run; of what comes after them, every call has a key of its own. */
const mostNames = 100_000

/**
 * The key of a call that is made in a handler or function of ours: the same at every run of it.
 *
 * @returns `undefined` outside of one, or where that has no key itself
 */
export async function downstreamKey(outgoing: Outgoing): Promise<string | undefined> {
  const context = keyedContext()
  if (context === undefined) return undefined
  const run = made.get(context) ?? { counts: new Map<string, number>(), counted: Promise.resolve() }
  made.set(context, run)
  // Digests come in any order, but two calls that differ in a header alone are counted in the same one at every run.
  const naming = Promise.all([contentOf(outgoing), run.counted]).then(([content]) => {
    const nth = (run.counts.get(content) ?? 0) + 1
    if (nth === 1 && run.counts.size >= mostNames) return undefined
    run.counts.set(content, nth)
    return context.derive(`fetch ${content} ${nth}`)
  })
  const counted = (): void => {}
  run.counted = naming.then(counted, counted)
  return naming
}

/** Whether a handler or function of ours runs here, from whose key others are derived. */
export function isDownstream(): boolean {
  return keyedContext() !== undefined
}

function keyedContext(): IdempotencyContext | undefined {
  const storage = Reflect.get(globalThis, place) as { getStore(): IdempotencyContext | undefined } | undefined
  const context = storage?.getStore()
  return context?.key === undefined ? undefined : context
}

/** What makes two calls the same: where they go and what they say. Not their credentials: those change over time. */
async function contentOf({ url, method, body, boundary }: Outgoing): Promise<string> {
  const bare = new URL(url)
  bare.searchParams.delete('key')
  const said = body === undefined || boundary === undefined ? (body ?? '') : withoutBoundary(body, boundary)
  const parts = [method, bare.href].map(part => `${part.length}:${part}`).join('')
  const bytes = await new Blob([parts, said]).arrayBuffer()
  const digest = await crypto.subtle.digest('SHA-256', bytes)
  return Array.from(new Uint8Array(digest), byte => byte.toString(16).padStart(2, '0')).join('')
}

/** Drawn anew whenever a form is written. */
function withoutBoundary(body: Uint8Array, boundary: string): Uint8Array<ArrayBuffer> {
  const mark = new TextEncoder().encode(boundary)
  const kept = new Uint8Array(body.byteLength)
  let length = 0
  for (let at = 0; at < body.byteLength; ) {
    const end = indexOf(body, mark, at)
    kept.set(body.subarray(at, end), length)
    length += end - at
    at = end + mark.byteLength
  }
  return kept.subarray(0, length)
}

/** Where the next mark begins, or the end of the body. */
function indexOf(body: Uint8Array, mark: Uint8Array, from: number): number {
  const first = mark[0] ?? 0
  for (let at = body.indexOf(first, from); at !== -1; at = body.indexOf(first, at + 1)) {
    if (mark.every((byte, offset) => body[at + offset] === byte)) return at
  }
  return body.byteLength
}
