import { afterAll, expect, expectTypeOf, test } from 'vitest'
import { createRetrysafe, type FunctionOptions } from '../../src/index.ts'

const safe = createRetrysafe({ store: 'memory:' })
afterAll(() => safe.close())

interface Doc {
  readonly id: string
}
const named = { name: 'f', key: () => 'k' }

test('an async function keeps its type', () => {
  const summarize = async (doc: Doc, words = 5): Promise<string> => `${doc.id} ${words}`
  const safeOne = safe.idempotent(summarize, { name: 'f', key: doc => doc.id, tenant: (_, words) => `${words}` })
  expectTypeOf(safeOne).toEqualTypeOf<(doc: Doc, words?: number) => Promise<string>>()
})

test('key, tenant, fingerprint and signal get its parameters', () => {
  type Options = FunctionOptions<(doc: Doc, at: Date) => Promise<void>>
  expectTypeOf<Parameters<Options['key']>>().toEqualTypeOf<[doc: Doc, at: Date]>()
  expectTypeOf<Parameters<NonNullable<Options['tenant']>>>().toEqualTypeOf<[doc: Doc, at: Date]>()
  expectTypeOf<Parameters<NonNullable<Options['fingerprint']>>>().toEqualTypeOf<[doc: Doc, at: Date]>()
  expectTypeOf<Parameters<NonNullable<Options['signal']>>>().toEqualTypeOf<[doc: Doc, at: Date]>()
  // @ts-expect-error: name is required
  expect(() => safe.idempotent(async () => 1, { key: () => 'k' })).toThrow('name is required')
  // @ts-expect-error: a key is a text
  safe.idempotent(async (id: number) => id, { name: 'f', key: id => id })
})

test('this is kept', () => {
  class Counter {
    readonly step = 1
  }
  const count = safe.idempotent(
    async function (this: Counter, from: number) {
      return from + this.step
    },
    {
      name: 'count',
      key(from) {
        return `${this.step} ${from}`
      },
    },
  )
  expectTypeOf<ThisParameterType<typeof count>>().toEqualTypeOf<Counter>()
  expectTypeOf(count).returns.toEqualTypeOf<Promise<number>>()
})

test('type parameters and overloads are kept', () => {
  const same = safe.idempotent(async <Item>(item: Item) => item, { ...named, key: () => 'k' })
  expectTypeOf(same<Doc>).returns.toEqualTypeOf<Promise<Doc>>()
  function read(id: string): Promise<string>
  function read(id: number): Promise<number>
  async function read(id: string | number): Promise<string | number> {
    return id
  }
  const readSafe = safe.idempotent(read, named)
  expectTypeOf(readSafe).toEqualTypeOf<typeof read>()
})

test('what gives no promise gives one', () => {
  const plain = safe.idempotent((id: string) => id.length, named)
  expectTypeOf(plain).toEqualTypeOf<(id: string) => Promise<number>>()
  expectTypeOf(safe.idempotent((id: string) => id === '', named)).returns.toEqualTypeOf<Promise<boolean>>()
  const perhaps = (id: string): string | Promise<string> => id
  expectTypeOf(safe.idempotent(perhaps, named)).returns.toEqualTypeOf<Promise<string>>()
})

test('any and unknown stay what they are', () => {
  expectTypeOf(safe.idempotent(async (): Promise<unknown> => 1, named)).returns.toEqualTypeOf<Promise<unknown>>()
  expectTypeOf(safe.idempotent((): unknown => 1, named)).returns.toEqualTypeOf<Promise<unknown>>()
})

test('an async generator can be iterated, or awaited', () => {
  const stream = safe.idempotent(async function* (id: string) {
    yield id.length
    return id
  }, named)
  expectTypeOf(stream).parameters.toEqualTypeOf<[id: string]>()
  expectTypeOf(stream).returns.toExtend<AsyncIterable<number>>()
  expectTypeOf(stream).returns.resolves.toEqualTypeOf<AsyncGenerator<number, string, undefined>>()
})

test('a promise of an async iterable gives one of ours, without what else the original can do', () => {
  class Chunks implements AsyncIterable<string> {
    async *[Symbol.asyncIterator](): AsyncGenerator<string> {
      yield 'a'
    }
    tee(): void {}
  }
  const chunks = safe.idempotent(async () => new Chunks(), named)
  expectTypeOf(chunks).returns.resolves.toEqualTypeOf<AsyncGenerator<string, unknown, undefined>>()
  const either = safe.idempotent(
    async (wanted: boolean): Promise<string | Chunks> => (wanted ? 'a' : new Chunks()),
    named,
  )
  expectTypeOf(either).returns.resolves.toEqualTypeOf<string | AsyncGenerator<string, unknown, undefined>>()
})

test('a promise of another class becomes a plain one', () => {
  class ApiPromise<Value> extends Promise<Value> {
    asResponse(): string {
      return 'r'
    }
  }
  const call = safe.idempotent(() => ApiPromise.resolve(1) as ApiPromise<number>, named)
  expectTypeOf(call).toEqualTypeOf<() => Promise<number>>()
})
