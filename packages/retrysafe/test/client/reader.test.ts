import { getEventListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { createFetch } from '../../src/client/fetch.ts'
import { cutAfter, openHost } from './host.ts'
import { post, scripted, url } from './scripted.ts'

const host = await openHost()
const head = { 'content-type': 'text/event-stream', 'retrysafe-stream': 'id-1' }

test('a reader that leaves ends the request', async () => {
  host.script(response => {
    response.writeHead(200, head)
    response.write('data: 1\n\n')
  })
  const answer = await createFetch()(host.url, post)
  const reader = answer.body?.getReader()
  await reader?.read()
  await reader?.cancel('enough')
  await host.asked[0]?.left
  expect(host.asked.length).toBe(1)
})

test('a reader that leaves while the rest is asked for ends that', async () => {
  host.script(cutAfter('123', head), () => {})
  const answer = await createFetch()(host.url, post)
  const reader = answer.body?.getReader()
  await reader?.read()
  const pending = reader?.read()
  await eventually(() => host.asked.length).toBe(2)
  await reader?.cancel('enough')
  expect(await pending).toEqual({ done: true, value: undefined })
  await host.asked[1]?.left
})

test('a reader that does not read has nothing taken for it', async () => {
  let pulls = 0
  const body = new ReadableStream<Uint8Array>(
    {
      pull(source) {
        pulls += 1
        source.enqueue(Buffer.from(`${pulls}`))
      },
    },
    { highWaterMark: 0 },
  )
  const { fetch, time } = scripted({}, [async () => new Response(body, { headers: head })])
  const reader = (await fetch(url, post)).body?.getReader()
  await time.advance(1_000)
  expect(pulls).toBe(0)
  await reader?.read()
  await reader?.read()
  await time.advance(1_000)
  expect(pulls).toBe(2)
  await reader?.cancel()
})

test('an answer that nobody reads or has any more keeps neither its connection nor a listener of its caller', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  host.script(response => {
    response.writeHead(200, { 'content-type': 'text/plain' })
    response.write('begun')
  })
  const caller = new AbortController()
  let isLeft = false
  const dropAnswer = async (): Promise<void> => {
    await createFetch()(host.url, { ...post, signal: caller.signal })
  }
  await dropAnswer()
  void host.asked[0]?.left.then(() => {
    isLeft = true
  })
  await eventually(() => {
    collect()
    return [isLeft, getEventListeners(caller.signal, 'abort').length]
  }).toEqual([true, 0])
})
