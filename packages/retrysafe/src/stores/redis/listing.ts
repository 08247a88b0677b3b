import { RetrysafeError } from '../../engine/errors.ts'
import type { RecordView, StoreKey } from '../../engine/record.ts'
import type { ListQuery, RecordPage } from '../../engine/store.ts'
import { Reply } from './answers.ts'
import type { RedisNode } from './link.ts'
import type { Names } from './names.ts'
import type { Server } from './server.ts'

/** Keys that a page looks at, at most about so many: it may hold fewer records than asked for and not be the last. */
const mostLooks = 5_000
/** Keys of one SCAN, about. */
const leastScan = 50
const mostScan = 500
/** A name in the index that is no unknown record's was added for a step which is over, whatever its time-out. */
const settledMs = 900_000

type Get = (key: StoreKey) => Promise<RecordView | undefined>

/**
 * Where a page ended: the node, its cursor, and names of the last SCAN that had no room in the page. Those are few, as a
 * cursor goes into a URL: only what a SCAN for one key gave, to a page for fewer.
 */
interface Place {
  readonly node: string
  readonly cursor: string
  readonly rest: readonly string[]
}

/**
 * The records, node by node, in the order of their SCAN: each that is there all the time is listed at least once, and
 * once unless the server's table grew or shrank meanwhile.
 */
export async function listRecords(server: Server, names: Names, get: Get, query: ListQuery): Promise<RecordPage> {
  const nodes = await server.insist(async () => [...(await server.link.primaries())].sort(byName))
  let place: Place = query.cursor === undefined ? startOf(nodes[0]) : readPlace(query.cursor)
  const look = async (keys: readonly string[]): Promise<RecordView[]> => {
    const views = await Promise.all(keys.map(name => get(name as StoreKey)))
    return views.filter(view => view !== undefined && (query.state ?? view.state) === view.state) as RecordView[]
  }
  const records: RecordView[] = []
  let count = Math.max(leastScan, Math.min(query.limit, mostScan))
  for (let looks = 0; looks < mostLooks && records.length < query.limit; looks += count) {
    const room = query.limit - records.length
    if (place.rest.length > 0) {
      records.push(...(await look(place.rest.slice(0, room))))
      place = { ...place, rest: place.rest.slice(room) }
      continue
    }
    const at = nodes.findIndex(({ name }) => name >= place.node)
    const node = nodes[at]
    if (node === undefined) return { records }
    // A node that went away: its records are on another, which has its own turn.
    if (node.name !== place.node) place = startOf(node)
    if (place.cursor === 'end') {
      const next = nodes[at + 1]
      if (next === undefined) return { records }
      place = startOf(next)
      continue
    }
    const { cursor, keys } = await scan(server, node, names, place.cursor, count)
    const found = await look(keys)
    if (found.length <= room) {
      records.push(...found)
      place = { node: node.name, cursor, rest: [] }
    } else if (count > 1) {
      // From the same place again, fewer at a time.
      count = Math.floor(count / 4) || 1
    } else if (records.length > 0) break
    else {
      records.push(...found.slice(0, room))
      place = { node: node.name, cursor, rest: found.slice(room).map(({ id }) => id) }
    }
  }
  return { records, cursor: Buffer.from(JSON.stringify(place)).toString('base64url') }
}

async function scan(
  server: Server,
  node: RedisNode,
  names: Names,
  from: string,
  count: number,
): Promise<{ cursor: string; keys: string[] }> {
  const command = ['SCAN', from, 'MATCH', names.recordPattern, 'COUNT', String(count)]
  const [next, found] = (await server.insist(() => node.send(command))) as [unknown, unknown[]]
  const cursor = String(next) === '0' ? 'end' : String(next)
  return { cursor, keys: [...new Set(found.map(String))].flatMap(name => names.readRecord(name) ?? []) }
}

function byName(one: RedisNode, other: RedisNode): number {
  return one.name < other.name ? -1 : 1
}

function startOf(node: RedisNode | undefined): Place {
  return { node: node?.name ?? '', cursor: '0', rest: [] }
}

function readPlace(cursor: string): Place {
  const place = readJson(cursor)
  const { node, cursor: at, rest } = place
  const isPlace = typeof node === 'string' && typeof at === 'string' && isCursor(at) && Array.isArray(rest)
  if (isPlace && rest.every(name => typeof name === 'string')) return { node, cursor: at, rest }
  throw wrongCursor()
}

/** 64 bits, as SCAN has them. */
function isCursor(at: string): boolean {
  return at === 'end' || (/^\d{1,20}$/.test(at) && BigInt(at) < 1n << 64n)
}

function readJson(cursor: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(Buffer.from(cursor, 'base64url').toString()))
  } catch {
    throw wrongCursor()
  }
}

function wrongCursor(): RetrysafeError {
  return new RetrysafeError('REQUEST_INVALID', 'the cursor takes what a page of this store gave')
}

/**
 * The index of unknown records. It is in another slot than they are, so it gets a name before the record changes, and
 * may hold names that are no unknown record's: those are left out, and taken away once no step can be on its way.
 */
export class UnknownIndex {
  readonly #server: Server
  readonly #names: Names
  readonly #get: Get
  /** Where the next sweep goes on: the names at the beginning may be right for a month. */
  #sweptTo: string | undefined

  constructor(server: Server, names: Names, get: Get) {
    this.#server = server
    this.#names = names
    this.#get = get
  }

  async add(key: StoreKey): Promise<void> {
    await this.#server.run('list_unknown', [this.#names.unknown], [key])
  }

  async page({ cursor, limit }: { cursor?: string; limit: number }): Promise<RecordPage> {
    const [score, after] = cursor === undefined ? ['-1', ''] : readMark(cursor)
    const reply = new Reply(
      await this.#server.run('page_unknown', [this.#names.unknown], [score, after, String(limit)]),
    )
    const entries = Array.from(
      { length: reply.size / 2 },
      (_, at) => [reply.text(2 * at), reply.text(2 * at + 1)] as const,
    )
    const views = await Promise.all(entries.map(([name]) => this.#look(name as StoreKey)))
    const last = entries.at(-1)
    const records = views.filter(view => view !== undefined)
    if (last === undefined || entries.length < limit) return { records }
    return { records, cursor: Buffer.from(JSON.stringify([last[1], last[0]])).toString('base64url') }
  }

  /** Looks at so many names, each time at the next ones, and takes away those that mean nothing any more. */
  async sweep(limit: number): Promise<void> {
    const from = this.#sweptTo
    this.#sweptTo = (await this.page({ limit, ...(from !== undefined && { cursor: from }) })).cursor
  }

  async #look(key: StoreKey): Promise<RecordView | undefined> {
    const view = await this.#get(key)
    if (view?.state === 'unknown') return view
    await this.#server.run('unlist_unknown', [this.#names.unknown], [key, String(settledMs)])
    return undefined
  }
}

function readMark(cursor: string): [score: string, name: string] {
  const mark = readJson(cursor)
  const { 0: score, 1: name } = mark
  if (typeof score === 'string' && /^\d{1,16}(\.\d+)?(e\+?\d+)?$/.test(score) && typeof name === 'string')
    return [score, name]
  throw wrongCursor()
}
