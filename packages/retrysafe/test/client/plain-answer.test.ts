import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parameters } from '../../../../test/property/seed.ts'
import { createFetch } from '../../src/client/fetch.ts'
import { JsonEnd } from '../../src/client/json-end.ts'
import { chunksOf } from '../adapters/listening.ts'
import { gate } from '../functions/stage.ts'
import { splitAt } from '../support/split.ts'
import { type Answerer, cutAfter, openHost, reply } from './host.ts'

const host = await openHost()
const post = { method: 'POST', body: '{}' }
const json = { 'content-type': 'application/json; charset=utf-8' }
const text = '{"t":"né }\\" ]","l":[1,{}, "\\\\"] }\n'
const bytes = Buffer.from(text)
const value = { t: 'né }" ]', l: [1, {}, '\\'] }
const everyByte = Array.from({ length: bytes.length }, (_, at) => at)

/** How an answer is cut after so many bytes. */
const cuts: Record<string, (at: number) => Answerer> = {
  chunked: at => cutAfter(bytes.subarray(0, at), json),
  'with a length': at => cutAfter(bytes.subarray(0, at), { ...json, 'content-length': String(bytes.length) }),
}

describe.each(Object.keys(cuts))('a plain answer, %s, that is cut at any byte', name => {
  const cutAt = (at: number): Answerer => cuts[name]?.(at) ?? expect.fail(name)

  test('comes whole in the next attempt', async () => {
    const fetch = createFetch({ baseDelayMs: 0, budget: false })
    for (const at of everyByte) {
      host.script(cutAt(at), reply(text, json))
      const answer = await fetch(host.url, post)
      expect([at, answer.status, await answer.json()]).toEqual([at, 200, value])
    }
    expect(fetch.counts()).toEqual({ calls: 36, attempts: 72, ambiguous: 36, resumes: 0 })
  })

  test('is an error where there is no other attempt', async () => {
    const fetch = createFetch({ retries: 0 })
    for (const at of everyByte) {
      host.script(cutAt(at))
      await expect(fetch(host.url, post), `${at}`).rejects.toThrow(/terminated|fetch failed/)
    }
  })

  test('control: fetch gives its beginning', async () => {
    host.script(cutAt(20))
    const answer = await fetch(host.url, post)
    expect(answer.status).toBe(200)
    await expect(answer.json()).rejects.toThrow('terminated')
  })
})

describe('a plain answer whose length is told by its connection alone', () => {
  const closing =
    (part: Uint8Array): Answerer =>
    response => {
      response.useChunkedEncodingByDefault = false
      response.writeHead(200, { ...json, connection: 'close' }).end(part)
    }

  test('comes whole, or its attempt failed', async () => {
    const fetch = createFetch({ baseDelayMs: 0, budget: false })
    // All but the white space behind it, of which nobody can tell.
    for (const at of everyByte.slice(1, -1)) {
      host.script(closing(bytes.subarray(0, at)), closing(bytes))
      expect([at, await (await fetch(host.url, post)).json()]).toEqual([at, value])
    }
    expect(fetch.counts().attempts).toBe(68)
  })

  test('the error says how far it came', async () => {
    host.script(closing(bytes.subarray(0, 20)))
    await expect(createFetch({ retries: 0 })(host.url, post)).rejects.toMatchObject({
      name: 'RetrysafeError',
      code: 'UPSTREAM_UNREACHABLE',
      message: 'the answer ended after 20 bytes, within its JSON',
    })
  })
})

describe('is delivered as it comes', () => {
  /** Each part once the test lets it go; then the connection is cut, or the body ends. */
  function parted(parts: readonly (string | Uint8Array)[], headers: Record<string, string>) {
    const gates = parts.map(() => gate())
    const answerer: Answerer = async response => {
      response.writeHead(200, headers)
      for (const [at, part] of parts.entries()) {
        await gates[at]?.opened
        response.write(part)
      }
    }
    return { answerer, let: (at: number) => gates[at]?.open() }
  }

  test.each([
    ['an array', json, ['[{"a":1}', ',{"a":2}', ']'], ['[{"a":1}', ',{"a":2}', ']']],
    ['lines labelled as JSON', json, ['{"a":1}\n{"a"', ':2}\n', '{"a":3}\n'], ['{"a":1}\n{"a"', ':2}\n', '{"a":3}\n']],
    ['a text', json, ['"be', 'gun', '"'], ['"be', 'gun', '"']],
    ['JSON with a mark before it', json, ['\ufeff{', '"a":1', '}'], ['\ufeff{', '"a":1', '}']],
    ['NDJSON', { 'content-type': 'application/x-ndjson' }, ['{"a"', ':1}', '\n'], ['{"a"', ':1}', '\n']],
    ['events', { 'content-type': 'text/event-stream' }, ['data', ': {', '}\n\n'], ['data', ': {', '}\n\n']],
    ['no type', {}, ['{"a"', ':1', '}'], ['{"a"', ':1', '}']],
  ])('%s', async (_, headers, parts, chunks) => {
    const source = parted(parts, headers as Record<string, string>)
    host.script(source.answerer)
    source.let(0)
    const answer = await createFetch()(host.url, post)
    const next = chunksOf(answer)
    expect(Buffer.from((await next()) ?? '').toString()).toBe(chunks[0]?.replace('\ufeff', ''))
    source.let(1)
    expect(await next()).toBe(chunks[1])
    source.let(2)
    expect(await next()).toBe(chunks[2])
    await answer.body?.cancel().catch(() => {})
  })

  test('lines of which the first came alone, once the second begins', async () => {
    const source = parted(['{"a":1}\n', '{', '"a":2}\n'], json)
    host.script(source.answerer)
    source.let(0)
    const call = createFetch()(host.url, post)
    source.let(1)
    const next = chunksOf(await call)
    let got = await next()
    if (got === '{"a":1}\n') got += await next()
    expect(got).toBe('{"a":1}\n{')
    source.let(2)
    expect(await next()).toBe('"a":2}\n')
  })

  test('an object beyond 1 MiB', async () => {
    const begun = `{"a":"${'x'.repeat(1_100_000)}`
    const source = parted([begun, '"}'], json)
    host.script(source.answerer)
    source.let(0)
    const next = chunksOf(await createFetch()(host.url, post))
    let got = ''
    while (got.length < begun.length) got += await next()
    expect(got).toBe(begun)
    source.let(1)
    expect(await next()).toBe('"}')
  })

  test('what is no success, even in part', async () => {
    host.script(response => {
      response.writeHead(400, json)
      response.write('{"error":')
    })
    const answer = await createFetch()(host.url, post)
    expect([answer.status, await chunksOf(answer)()]).toEqual([400, '{"error":'])
  })
})

test.each([
  'application/json',
  'application/vnd.api+json',
  'Application/JSON;charset=utf-8',
  'application/problem+json ; a=b',
])('%s is JSON', async mediaType => {
  host.script(cutAfter('{"a":', { 'content-type': mediaType }), reply('{"a":1}', { 'content-type': mediaType }))
  expect(await (await createFetch({ baseDelayMs: 0 })(host.url, post)).text()).toBe('{"a":1}')
})

test('an empty answer is none that was cut', async () => {
  host.script(reply('', json))
  expect(await (await createFetch()(host.url, post)).text()).toBe('')
})

describe('the end of an object', () => {
  const letter = fc.constantFrom('{', '}', '[', ']', '"', '\\', 'a', 'é', '💥', '\n')
  const word = fc.string({ unit: letter, maxLength: 6 })
  const { item } = fc.letrec<{ item: unknown }>(tie => ({
    item: fc.oneof(
      { maxDepth: 3 },
      fc.oneof(word, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
      fc.array(tie('item'), { maxLength: 3 }),
      fc.dictionary(word, tie('item'), { maxKeys: 3 }),
    ),
  }))
  const members = fc.dictionary(word, item, { maxKeys: 4 })
  const space = fc.constantFrom('', ' ', '\n', '\t\r\n')
  const indent = fc.constantFrom(undefined, 1, '\t')
  const written = fc
    .tuple(members, indent, space, space)
    .map(([object, spaces, before, after]) => before + JSON.stringify(object, undefined, spaces) + after)

  /** What `JSON.parse` says of it, where it begins as an object does. */
  function expected(part: string): string {
    try {
      JSON.parse(part)
      return 'whole'
    } catch {
      return 'open'
    }
  }

  interface Finder {
    write(bytes: Uint8Array): void
    readonly state: string
  }

  const agrees = (open: () => Finder, isSplit: boolean): fc.IProperty<[string, number[], number]> =>
    fc.property(written, fc.array(fc.nat(400), { maxLength: 8 }), fc.nat(400), (object, places, length) => {
      const part = object.slice(0, length % (object.length + 1))
      const end = open()
      for (const piece of isSplit ? splitAt(Buffer.from(part), places) : [Buffer.from(part)]) end.write(piece)
      expect(end.state).toBe(expected(part))
    })

  test('is where JSON.parse says, of any beginning, however it is split', () => {
    fc.assert(
      agrees(() => new JsonEnd(), true),
      parameters(2_000),
    )
  })

  test('is followed by nothing but white space', () => {
    const more = fc.constantFrom('{', '}', '1', '"', 'x', ',', '\u00a0', '\ufeff')
    fc.assert(
      fc.property(written, more, space, (object, another, rest) => {
        const end = new JsonEnd()
        end.write(Buffer.from(object))
        expect(end.state).toBe('whole')
        end.write(Buffer.from(another + rest))
        expect(end.state).toBe('other')
      }),
      parameters(500),
    )
  })

  test('is nowhere in what is no object', () => {
    const others = fc.oneof(fc.array(fc.jsonValue()), fc.string(), fc.integer(), fc.boolean(), fc.constant(null))
    fc.assert(
      fc.property(others, space, (other, before) => {
        const end = new JsonEnd()
        end.write(Buffer.from(before + JSON.stringify(other)))
        expect(end.state).toBe('other')
      }),
      parameters(500),
    )
  })

  test('control: who counts brackets alone finds another', () => {
    const naive = (): Finder => {
      let depth = 0
      let state = 'open'
      return {
        write(part) {
          for (const byte of part) {
            if (byte === 0x7b || byte === 0x5b) depth += 1
            if ((byte === 0x7d || byte === 0x5d) && --depth === 0) state = 'whole'
          }
        },
        get state() {
          return state
        },
      }
    }
    expect(fc.check(agrees(naive, true), parameters(2_000)).failed).toBe(true)
  })
})
