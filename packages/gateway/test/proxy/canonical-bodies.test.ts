import { setMaxListeners } from 'node:events'
import { gzipSync } from 'node:zlib'
import { type BodyInput, canonicalBody } from 'retrysafe/internal/fingerprint/canonical-body'
import { compileLeaveOut } from 'retrysafe/internal/fingerprint/leave-out'
import { afterEach, expect, test } from 'vitest'
import { CanonicalBodies } from '../../src/proxy/canonical-bodies.ts'

// The thread's program as it is shipped; and two that are of no use.
const shipped = new URL('../../dist/proxy/canonical-worker.js', import.meta.url)
const missing = new URL('../../dist/proxy/no-such-worker.js', import.meta.url)
const dying = new URL(
  'data:text/javascript,import{parentPort}from"node:worker_threads";parentPort.on("message",()=>process.exit(1))',
)

const opened: CanonicalBodies[] = []
afterEach(async () => {
  for (const bodies of opened.splice(0)) await bodies.close()
})

function open(program = shipped): { bodies: CanonicalBodies; logged: string[] } {
  const logged: string[] = []
  const bodies = new CanonicalBodies({ program, log: message => logged.push(message) })
  opened.push(bodies)
  return { bodies, logged }
}

const json = (body: Uint8Array, contentEncoding = ''): BodyInput => ({
  mediaType: 'application/json',
  contentEncoding,
  body,
})
const small = json(Buffer.from('{"b":1,"a":2}'))
const spaced = Buffer.from(`{"b":1,${' '.repeat(200_000)}"a":2}`)
const encoded = json(gzipSync(spaced), 'gzip')
const large = json(spaced)
const digest = 'd3626ac30a87e6f7a6428233b3c68299976865fa5508e4267c5415c76af7a772'

function hexOf(body: ReturnType<typeof canonicalBody>): string {
  return body.kind === 'as sent' ? body.reason : Buffer.from(body.digest).toString('hex')
}

test('what is small is made at once, what is large in a thread, also once it is decoded, and all are the same', async () => {
  const { bodies, logged } = open()
  const atOnce = bodies.of(small)
  expect(atOnce).not.toBeInstanceOf(Promise)
  const decoded = bodies.of(json(gzipSync(small.body), 'gzip'))
  expect(decoded).not.toBeInstanceOf(Promise)
  expect(bodies.of({ ...large, mediaType: 'audio/wav' })).not.toBeInstanceOf(Promise)
  const later = [bodies.of(large), bodies.of(encoded)]
  for (const body of later) expect(body).toBeInstanceOf(Promise)
  const forms = await Promise.all([atOnce, decoded, ...later])
  expect(forms.map(hexOf)).toEqual([digest, digest, digest, digest])
  const compiled = compileLeaveOut(['/b'])
  if (compiled.kind === 'invalid') throw new Error(compiled.reason)
  const { leaveOut } = compiled
  expect(hexOf(await bodies.of({ ...large, leaveOut }))).toBe(hexOf(canonicalBody(json(Buffer.from('{"a":2}')))))
  // The body was copied: it still has to go upstream.
  expect(large.body.byteLength).toBe(200_013)
  expect(logged).toEqual([])
})

test('many at once come back each to its own', async () => {
  const { bodies } = open()
  const inputs = Array.from({ length: 50 }, (_, number) => json(gzipSync(`[${' '.repeat(200_000)}${number}]`), 'gzip'))
  inputs.push(json(Buffer.from('x'), 'gzip'))
  const forms = await Promise.all(inputs.map(input => bodies.of(input)))
  expect(forms.map(hexOf)).toEqual(inputs.map(input => hexOf(canonicalBody(input))))
  expect(forms.at(-1)).toEqual({
    kind: 'as sent',
    reason: 'content-encoding: the body is not one whole gzip stream',
  })
})

test('the loop goes on meanwhile', async () => {
  const { bodies } = open()
  const hostile = json(Buffer.from(`[${'{"b":0,"a":1e20},'.repeat(200_000)}0]`))
  let isMade = false
  let turns = 0
  const turn = (): void => {
    turns++
    if (!isMade) setImmediate(turn)
  }
  setImmediate(turn)
  canonicalBody(hostile)
  expect(turns, 'control: in the loop nothing else happens').toBe(0)
  await bodies.of(hostile)
  isMade = true
  expect(turns).toBeGreaterThan(100)
})

test.each([
  ['dies at every body', dying, 'it ended'],
  ['cannot start', missing, 'Cannot find module'],
])('where the thread %s, the loop makes the form, and it is told', async (_, program, reason) => {
  const { bodies, logged } = open(program)
  const forms = await Promise.all([bodies.of(large), bodies.of(encoded)])
  expect(forms.map(hexOf)).toEqual([digest, digest])
  expect(hexOf(await bodies.of(large))).toBe(digest)
  expect(logged).toHaveLength(3)
  for (const line of logged) expect(line).toContain(reason)
})

test('as many bodies may wait as it says; the next has none', async () => {
  const { bodies } = open()
  const waiting = Array.from({ length: 1_001 }, () => bodies.of(encoded))
  await expect(bodies.of(encoded)).rejects.toMatchObject({ code: 'OVERLOADED' })
  expect(hexOf(await bodies.of(small))).toBe(digest)
  const forms = await Promise.all(waiting)
  expect(new Set(forms.map(hexOf))).toEqual(new Set([digest]))
})

test('as many bytes may wait as it says, and one body whatever its size', async () => {
  const { bodies } = open()
  const huge = json(Buffer.alloc(536_870_912))
  const waiting = [bodies.of(large), bodies.of(huge)]
  const ends = Promise.allSettled(waiting)
  await expect(bodies.of(large)).rejects.toMatchObject({ code: 'OVERLOADED' })
  await bodies.close()
  await ends
})

test('what nobody waits for any more is not made, and makes room', async () => {
  const { bodies } = open()
  const first = bodies.of(large)
  const leave = new AbortController()
  setMaxListeners(0, leave.signal)
  const waiting = Array.from({ length: 1_000 }, () => bodies.of(encoded, leave.signal))
  const ends = Promise.allSettled(waiting)
  leave.abort()
  expect(new Set((await ends).map(({ status }) => status))).toEqual(new Set(['rejected']))
  await expect(bodies.of(large, leave.signal)).rejects.toBe(leave.signal.reason)
  expect(hexOf(await bodies.of(encoded))).toBe(digest)
  expect(hexOf(await first)).toBe(digest)
})

test('closed, it makes no more of what waits, and what comes then at once', async () => {
  const { bodies, logged } = open()
  const waiting = [bodies.of(large), bodies.of(encoded)]
  const ends = Promise.allSettled(waiting)
  await bodies.close()
  expect((await ends).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(bodies.of(large)).not.toBeInstanceOf(Promise)
  expect(logged).toEqual([])
})
