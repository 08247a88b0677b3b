import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { idempotency as onNode } from '../../src/adapters/node/index.ts'
import { createFetch } from '../../src/client/fetch.ts'
import { callContext, createRetrysafe, type Retrysafe } from '../../src/index.ts'
import { idempotency } from '../../src/server/fetch.ts'
import { memoryStore } from '../../src/stores/memory/store.ts'
import { listen, openSafe, post } from '../adapters/listening.ts'
import { gate, handleOf } from '../functions/stage.ts'
import { openHost, reply } from './host.ts'

const host = await openHost()
const derived = /^[\w-]{43}$/
const drawn = /^[0-9a-f]{8}-[0-9a-f]{4}-7/

const keys = (): (string | undefined)[] => host.asked.map(({ headers }) => headers['idempotency-key']?.toString())

/** Answers everything. */
function answerAll(): void {
  host.script(...Array<ReturnType<typeof reply>>(50).fill(reply('ok')))
}

/**
 * The keys of what two runs of one call of a function send: the first one throws, so that it runs again.
 *
 * @param run its number, from 1
 */
async function twice(
  act: (run: number) => Promise<unknown>,
): Promise<[(string | undefined)[], (string | undefined)[]]> {
  answerAll()
  let run = 0
  const fn = openSafe().idempotent(
    async (_: string) => {
      run += 1
      await act(run)
      if (run === 1) throw new Error('died')
    },
    { name: 'f', key: id => id },
  )
  const before = host.asked.length
  await expect(fn('k')).rejects.toThrow('died')
  const first = host.asked.length
  await fn('k')
  return [keys().slice(before, first), keys().slice(first)]
}

describe('in a function', () => {
  const fetch = createFetch()
  const send = (init: RequestInit = {}, target = '/'): Promise<Response> =>
    fetch(host.url + target, { method: 'POST', body: 'x', ...init })

  test('a call has the same key at every run; each of two equal ones has its own', async () => {
    const [one, other] = await twice(async () => {
      await send()
      await send()
      await send()
    })
    expect(one.every(key => derived.test(key ?? ''))).toBe(true)
    expect([new Set(one).size, one.length]).toEqual([3, 3])
    expect(other).toEqual(one)
  })

  test('also where another client makes it, and calls come in another order', async () => {
    const again = createFetch()
    const [one, other] = await twice(run => {
      const calls = [() => send({ body: 'a' }), () => again(host.url, { method: 'POST', body: 'b' })]
      return Promise.all((run === 1 ? calls : calls.toReversed()).map(call => call()))
    })
    expect([...other].sort()).toEqual([...one].sort())
    expect(new Set(one).size).toBe(2)
  })

  test.each<[string, RequestInit, string]>([
    ['body', { body: 'y' }, '/'],
    ['method', { method: 'PATCH' }, '/'],
    ['path', {}, '/other'],
    ['query', {}, '/?a=1'],
  ])('another %s, another key', async (_, init, target) => {
    const [one] = await twice(async () => {
      await send()
      await send(init, target)
    })
    expect(new Set(one).size).toBe(2)
  })

  test.each<[string, (run: number) => Promise<Response>]>([
    ['credential', run => send({ headers: { authorization: `Bearer ${run}` } })],
    ['credential in the query', run => send({}, `/?key=${run}`)],
    ['trace', run => send({ headers: { traceparent: `00-${run}` } })],
  ])('another %s, the same key', async (_, act) => {
    const [one, other] = await twice(act)
    expect(other).toEqual(one)
  })

  test('a form is the same, whatever its boundary', async () => {
    const types = new Set<unknown>()
    const [one, other] = await twice(async () => {
      const form = new FormData()
      form.set('file', new Blob(['content']), 'name')
      await send({ body: form })
      types.add(host.asked.at(-1)?.headers['content-type'])
    })
    expect(types.size).toBe(2)
    expect(one[0]).toMatch(derived)
    expect(other).toEqual(one)
  })

  test('another form is another', async () => {
    const [one] = await twice(async () => {
      for (const text of ['a', 'b']) {
        const form = new FormData()
        form.set('text', text)
        await send({ body: form })
      }
    })
    expect(new Set(one).size).toBe(2)
  })

  test('a retry of it has its key', async () => {
    host.script(reply('', {}, 503), reply('ok'))
    const retrying = createFetch({ baseDelayMs: 0 })
    await openSafe().idempotent((_: string) => retrying(host.url, { method: 'POST' }).then(() => 1), named)('k')
    const [one, other] = keys()
    expect(one).toMatch(derived)
    expect(other).toBe(one)
  })

  test('the header and the key function come first; where that gives none, it is derived', async () => {
    const by = (key: () => string | undefined) => createFetch({ key })
    const [one, other] = await twice(async () => {
      await send({ headers: { 'idempotency-key': 'header' } })
      await by(() => 'function')(host.url, { method: 'POST' })
      await by(() => undefined)(host.url, { method: 'POST' })
    })
    expect(one).toEqual(['header', 'function', expect.stringMatching(derived)])
    expect(other).toEqual(one)
  })

  test('GET has none', async () => {
    expect(await twice(() => fetch(host.url))).toEqual([[undefined], [undefined]])
  })

  test('another key of it, another function, another store: another key', async () => {
    answerAll()
    const safe = openSafe()
    const run = async (_: string): Promise<void> => void (await send())
    await safe.idempotent(run, named)('k')
    await safe.idempotent(run, named)('k2')
    await safe.idempotent(run, { ...named, name: 'g' })('k')
    await openSafe().idempotent(run, named)('k')
    expect(new Set(keys()).size).toBe(4)
    expect(keys().every(key => derived.test(key ?? ''))).toBe(true)
  })

  const named = { name: 'f', key: (id: string) => id }
})

describe('in a handler', () => {
  const fetch = createFetch()
  const act = async (): Promise<Response> => {
    await fetch(host.url, { method: 'POST', body: 'x' })
    return new Response('done')
  }
  const doors: Record<string, (safe: Retrysafe) => Promise<(headers: Record<string, string>) => Promise<Response>>> = {
    async fetch(safe) {
      const serve = idempotency({ safe, tenant: 'single', recordStatus: [201] }, act)
      return headers => serve(new Request('http://host/', { method: 'POST', headers }))
    },
    async node(safe) {
      const handler = onNode({ safe, tenant: 'single', recordStatus: [201] }, async (_, response) => {
        response.end(await (await act()).text())
      })
      const url = await listen(handler)
      return headers => globalThis.fetch(url, { method: 'POST', headers })
    },
  }

  test.each(Object.keys(doors))('%s: the same at every run of its key', async name => {
    answerAll()
    // Its answer (200) is not recorded: it runs again.
    const ask = (await doors[name]?.(openSafe())) ?? expect.fail(name)
    for (const key of ['a', 'a', 'b']) expect(await (await ask({ 'Idempotency-Key': key })).text()).toBe('done')
    const [one, again, other] = keys()
    expect([derived.test(one ?? ''), again === one, other === one]).toEqual([true, true, false])
  })

  test.each(Object.keys(doors))('%s: drawn where the request has no key', async name => {
    answerAll()
    const ask = (await doors[name]?.(openSafe())) ?? expect.fail(name)
    for (let call = 0; call < 2; call++) await (await ask({})).text()
    const [one, other] = keys()
    expect([drawn.test(one ?? ''), drawn.test(other ?? ''), one === other]).toEqual([true, true, false])
  })
})

test('a run that takes over from one that died makes the calls with the keys of that', async () => {
  answerAll()
  const store = memoryStore()
  onTestFinished(() => store.close())
  const dying = createRetrysafe({ store: handleOf(store) })
  const next = openSafe(handleOf(store))
  const fetch = createFetch()
  const attempts: unknown[] = []
  const open = (safe: Retrysafe, wait: Promise<void> | undefined) =>
    safe.idempotent(
      async (_: string) => {
        attempts.push(callContext()?.attempt)
        await fetch(host.url, { method: 'POST', body: 'x' })
        await wait
      },
      { name: 'f', key: id => id },
    )
  const stuck = gate()
  const first = open(dying, stuck.opened)('k').catch(() => {})
  await eventually(() => host.asked.length).toBe(1)
  await dying.close({ drainMs: 0 })
  await open(next, undefined)('k')
  stuck.open()
  await first
  expect(attempts).toEqual([1, 2])
  const [one, other, ...rest] = keys()
  expect([derived.test(one ?? ''), other === one, rest]).toEqual([true, true, []])
})

test('outside, and after a run, it is drawn', async () => {
  answerAll()
  const safe = createRetrysafe({ store: 'memory:' })
  onTestFinished(() => safe.close())
  const fetch = createFetch()
  await safe.idempotent(async (_: string) => 1, { name: 'f', key: id => id })('k')
  await fetch(host.url, { method: 'POST' })
  expect(keys()[0]).toMatch(drawn)
})

test('control: the platform sends none', async () => {
  answerAll()
  await openSafe().idempotent((_: string) => post(host.url, 'own').then(() => 1), { name: 'f', key: id => id })('k')
  await openSafe().idempotent((_: string) => fetch(host.url, { method: 'POST' }).then(() => 1), {
    name: 'f',
    key: id => id,
  })('k')
  expect(keys()).toEqual(['own', undefined])
})
