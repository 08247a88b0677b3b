import { RetrysafeError } from '../../src/engine/errors.ts'
import type { RecordView } from '../../src/engine/record.ts'
import type { Store } from '../../src/engine/store.ts'
import { type CallEvent, createRetrysafe, type Retrysafe, type RetrysafeOptions } from '../../src/index.ts'

/** A promise, and who keeps it. */
export interface Gate<Value = void> {
  readonly opened: Promise<Value>
  open(value: Value): void
}

export function gate<Value = void>(): Gate<Value> {
  let open: (value: Value) => void = () => {}
  const opened = new Promise<Value>(resolve => {
    open = resolve
  })
  return { opened, open: value => open(value) }
}

/** One store as two processes have it: each with a handle of its own, that closes by itself. */
export function handleOf(store: Store): Store {
  const traits = { ...store.traits, crossProcess: true }
  const close = async (): Promise<void> => {}
  return new Proxy(store, {
    get: (target, name): unknown =>
      name === 'traits' ? traits : name === 'close' ? close : Reflect.get(target, name).bind?.(target),
  })
}

export interface Told {
  readonly safe: Retrysafe
  /** What it told of its calls, such as `executed 1`, `refused KEY_REUSED`. */
  readonly events: string[]
}

export function tellingSafe(store: Store | string, options: Partial<RetrysafeOptions> = {}): Told {
  const events: string[] = []
  const onEvent = (event: CallEvent): void => void events.push(worded(event))
  return { safe: createRetrysafe({ store, onEvent, ...options }), events }
}

function worded(event: CallEvent): string {
  switch (event.type) {
    case 'executed':
      return `executed ${event.attempt}${event.recorded ? '' : ' in vain'}`
    case 'taken over':
      return `taken over ${event.attempt}`
    case 'refused':
      return `refused ${event.code}`
    default:
      return event.type
  }
}

/** The one record of the store. */
export async function onlyRecord(store: Store): Promise<RecordView> {
  const { records } = await store.list({ limit: 10 })
  const [record, another] = records
  if (record === undefined || another !== undefined) throw new Error(`${records.length} records, not one`)
  return record
}

/** The code and the message of what was refused. */
export async function refusalOf(call: Promise<unknown>): Promise<string> {
  const outcome = await call.then(
    value => `no refusal but ${JSON.stringify(value)}`,
    (error: unknown) => error,
  )
  if (outcome instanceof RetrysafeError) return `${outcome.code} ${outcome.message}`
  if (typeof outcome === 'string') return outcome
  throw outcome
}

export async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = []
  for await (const item of items) list.push(item)
  return list
}
