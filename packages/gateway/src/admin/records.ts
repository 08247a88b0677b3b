import type { RecordState, RecordView, StoreKey } from 'retrysafe/internal/engine/record'
import type { OperatorAnswer, RecordPage, Store } from 'retrysafe/internal/engine/store'
import { AdminError } from './exchange.ts'

const states: readonly RecordState[] = ['running', 'open', 'completed', 'unknown', 'purged']

export function listRecords(store: Store, query: URLSearchParams): Promise<RecordPage> {
  const state = query.get('state')
  const known = states.find(candidate => candidate === state)
  if (state !== null && known === undefined) throw new AdminError(400, `state takes one of ${states.join(', ')}`)
  return store.list({ ...pageOf(query), ...(known !== undefined && { state: known }) })
}

export function unknownRecords(store: Store, query: URLSearchParams): Promise<RecordPage> {
  return store.unknown(pageOf(query))
}

export async function showRecord(store: Store, id: string): Promise<RecordView> {
  const record = await store.get(keyOf(id))
  if (record === undefined) throw new AdminError(404, 'no such record')
  return record
}

export async function purgeRecord(store: Store, id: string, query: URLSearchParams): Promise<{ purged: string }> {
  const force = query.get('force')
  if (force !== null && force !== 'true' && force !== 'false') throw new AdminError(400, 'force takes true or false')
  const { fence } = await showRecord(store, id)
  check(
    await store.purge(keyOf(id), fence, { force: force === 'true' }),
    'it is running; ?force=true ends it all the same',
  )
  return { purged: id }
}

export async function resolveRecord(store: Store, id: string, body: unknown): Promise<{ resolved: string }> {
  if (typeof body !== 'object' || body === null || Reflect.get(body, 'as') !== 'free') {
    throw new AdminError(400, 'the body takes {"as":"free"}')
  }
  const { fence } = await showRecord(store, id)
  check(await store.resolve(keyOf(id), fence), 'it is running; only unknown records are resolved')
  return { resolved: id }
}

function check(answer: OperatorAnswer, whenRunning: string): void {
  switch (answer) {
    case 'ok':
      return
    case 'absent':
      throw new AdminError(404, 'no such record')
    case 'running':
      throw new AdminError(409, whenRunning)
    case 'changed':
      throw new AdminError(409, 'it has changed meanwhile; look again')
    case 'refused':
      throw new AdminError(409, 'its outcome is not unknown')
  }
}

function pageOf(query: URLSearchParams): { limit: number; cursor?: string } {
  const limit = query.get('limit') ?? '100'
  if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > 1_000) {
    throw new AdminError(400, 'limit takes 1 to 1000')
  }
  const cursor = query.get('cursor')
  if (cursor !== null && !/^[\w-]{1,1000}$/.test(cursor)) throw new AdminError(400, 'cursor takes what a page gave')
  return { limit: Number(limit), ...(cursor !== null && { cursor }) }
}

function keyOf(id: string): StoreKey {
  if (!/^[\w-]{43}$/.test(id)) throw new AdminError(404, 'no such record')
  return id as StoreKey
}
