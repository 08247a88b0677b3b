import { setMaxListeners } from 'node:events'
import { describeThrown } from '../engine/thrown.ts'
import { type BatchItem, ItemReader } from './batch-item.ts'
import { type Gate, openGate } from './gate/gate.ts'
import { type BatchPort, settleItem } from './item-call.ts'
import { LateClaims } from './late-claims.ts'
import type { BatchEvent, BatchResult, BatchRules } from './options.ts'
import { type Outbox, openOutbox } from './outbox.ts'

export type Items<Item> = Iterable<Item> | AsyncIterable<Item>

/** Bytes of items that are held at once; one that is larger is held alone. */
const mostHeldBytes = 67_108_864
/** How long nothing may answer at all, from the start: there it is rather a wrong address than an outage. */
const firstAnswerMs = 30_000
/** In input order so many windows of results may wait for one before them. */
const windowsInOrder = 8

/** One run of a batch: takes items as there is room, settles them, and gives what became of them. */
export class BatchRun<Item, Value> {
  readonly #rules: BatchRules<Item, Value>
  readonly #items: Items<Item>
  readonly #reader: ItemReader<Item>
  readonly #outbox: Outbox<BatchResult<Item, Value>>
  readonly #stop = new AbortController()
  /** Items that may be held unsettled, and begun and not taken by the consumer. */
  readonly #mostUnsettled: number
  readonly #mostBegun: number
  #unsettled = 0
  #heldBytes = 0
  #sourceEnded = false
  /** The source is being asked for an item. */
  #asking = false
  #failure: { readonly error: unknown } | undefined
  #changed: () => void = () => {}
  #roomMade: () => void = () => {}

  constructor(items: Items<Item>, rules: BatchRules<Item, Value>, idsDiffer: boolean) {
    this.#rules = rules
    this.#items = items
    this.#reader = new ItemReader(rules, idsDiffer)
    this.#outbox = openOutbox(rules.order)
    this.#mostUnsettled = 2 * rules.concurrency + 16
    this.#mostBegun = this.#mostUnsettled * (rules.order === 'input' ? windowsInOrder : 2)
    // Every item in the window may wait for it.
    setMaxListeners(0, this.#stop.signal)
  }

  async *results(): AsyncGenerator<BatchResult<Item, Value>, void, undefined> {
    const { signal } = this.#rules
    const stop = (): void => this.#halt()
    signal?.addEventListener('abort', stop)
    if (signal?.aborted) stop()
    let pulling: Promise<void> | undefined
    try {
      const port = await this.#openPort()
      pulling = this.#pull(port)
      for (;;) {
        const result = this.#outbox.take()
        if (result !== undefined) {
          this.#roomMade()
          yield result
        } else if (this.#isOver) break
        else await new Promise<void>(resolve => (this.#changed = resolve))
      }
      if (this.#failure !== undefined) throw this.#failure.error
    } finally {
      signal?.removeEventListener('abort', stop)
      // Whoever breaks off the results: what is sent is finished and recorded.
      this.#halt()
      while (this.#unsettled > 0) await new Promise<void>(resolve => (this.#changed = resolve))
      // A source that is waiting for something itself is not waited for.
      if (!this.#asking) await pulling
    }
  }

  async #openPort(): Promise<BatchPort<Item, Value>> {
    const rules = this.#rules
    const engine = await rules.safe.engine()
    const tell = (event: BatchEvent): void => this.#tell(event)
    const onChange = (gate: Gate): void => {
      const { limit, inFlight, lastTrouble } = gate
      tell({ kind: 'gate', limit, inFlight, heldMs: gate.heldMs(), trouble: lastTrouble })
    }
    const gate = openGate({ ...rules, firstAnswerMs, onChange }, rules.surroundings)
    const late = new LateClaims(rules.surroundings.timers, (count, trouble) =>
      tell({ kind: 'waiting', count, trouble }),
    )
    return { rules, engine, gate, tenant: engine.identity.tenantNamed(''), late, stop: this.#stop.signal, tell }
  }

  get #isOver(): boolean {
    return this.#unsettled === 0 && (this.#sourceEnded || this.#stop.signal.aborted)
  }

  get #hasRoom(): boolean {
    if (this.#unsettled >= this.#mostUnsettled || this.#outbox.size >= this.#mostBegun) return false
    return this.#heldBytes < mostHeldBytes
  }

  /** Takes items from the source as there is room for them. Never rejects. */
  async #pull(port: BatchPort<Item, Value>): Promise<void> {
    try {
      const iterator = iteratorOf(this.#items)
      try {
        for (let index = 0; ; index++) {
          while (!this.#hasRoom && !this.#stop.signal.aborted)
            await new Promise<void>(resolve => (this.#roomMade = resolve))
          if (this.#stop.signal.aborted) break
          const step = await this.#ask(iterator)
          if (step.done) return
          if (this.#stop.signal.aborted) break
          this.#begin(port, this.#reader.read(step.value, index))
        }
      } catch (error) {
        this.#fail(error)
      }
      await iterator.return?.()
    } catch (error) {
      // A source that cannot even be closed has lost nothing.
      this.#fail(error)
    } finally {
      this.#sourceEnded = true
      this.#changed()
    }
  }

  async #ask(iterator: AnyIterator<Item>): Promise<IteratorResult<Item, unknown>> {
    const next = iterator.next()
    if (!('then' in next)) return next
    this.#asking = true
    try {
      return await next
    } finally {
      this.#asking = false
    }
  }

  #begin(port: BatchPort<Item, Value>, item: BatchItem<Item>): void {
    this.#unsettled++
    this.#heldBytes += item.sizeBytes
    this.#outbox.begin(item.index)
    const ended = (result: BatchResult<Item, Value> | undefined): void => {
      this.#unsettled--
      this.#heldBytes -= item.sizeBytes
      this.#outbox.put(item.index, result)
      this.#changed()
      this.#roomMade()
    }
    settleItem(port, item).then(
      settlement => {
        const { index, customId, key } = item
        const facts = { index, item: item.item, customId, key }
        ended(settlement.kind === 'left' ? undefined : { ...facts, ...settlement })
      },
      error => {
        this.#fail(error)
        ended(undefined)
      },
    )
  }

  /** Nothing new begins. */
  #halt(): void {
    this.#stop.abort()
    this.#changed()
    this.#roomMade()
  }

  /** The first failure is why the batch ends; others follow from it. */
  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#halt()
  }

  #tell(event: BatchEvent): void {
    try {
      this.#rules.onEvent?.(event)
    } catch (error) {
      this.#rules.safe.warnOnce('batch onEvent', `onEvent failed: ${describeThrown(error)}`)
    }
  }
}

interface AnyIterator<Item> {
  next(): IteratorResult<Item, unknown> | Promise<IteratorResult<Item, unknown>>
  return?(): unknown
}

function iteratorOf<Item>(items: Items<Item>): AnyIterator<Item> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
}
