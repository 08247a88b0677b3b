import { RetrysafeError } from '../../../engine/errors.ts'
import type { RedisArgument } from '../link.ts'
import { readInfo, type ServerInfo } from '../server-info.ts'
import { codeOf } from '../store-error.ts'

/** What one server says of itself. */
export interface NodeFacts {
  /** Undefined: this user may not ask. */
  readonly info: ServerInfo | undefined
  /** Settings by name. Undefined: this user may not ask, as on most servers that somebody else runs. */
  readonly config: ReadonlyMap<string, string> | undefined
}

const asked = [
  'appendfsync',
  'no-appendfsync-on-rewrite',
  'save',
  'stop-writes-on-bgsave-error',
  'min-replicas-to-write',
  'proto-max-bulk-len',
  'timeout',
  'tcp-keepalive',
]

export async function readFacts(send: Send): Promise<NodeFacts> {
  const info = await unlessRefused(async () => readInfo(String(await send(['INFO']))))
  const config = await unlessRefused(() => readConfig(send))
  return { info, config }
}

/** One by one: a server older than 7.0 takes no more. */
async function readConfig(send: Send): Promise<ReadonlyMap<string, string>> {
  const replies = await Promise.all(asked.map(name => send(['CONFIG', 'GET', name])))
  return new Map(replies.flatMap(entriesOf))
}

/** A map comes as a list in RESP2; in RESP3 as whatever the client makes of it. */
function entriesOf(reply: unknown): [string, string][] {
  if (reply instanceof Map) return [...reply].map(([name, value]) => [String(name), String(value)])
  if (!Array.isArray(reply)) return Object.entries(Object(reply)).map(([name, value]) => [name, String(value)])
  return reply.flatMap((name, at) => (at % 2 === 0 ? [[String(name), String(reply[at + 1])] as [string, string]] : []))
}

/** `undefined` for a command that this user may not send, or that the server does not have. */
export async function unlessRefused<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof RetrysafeError || !['NOPERM', 'ERR'].includes(codeOf(error))) throw error
    return undefined
  }
}

/** Sends a command to the server that is looked at. */
export type Send = (args: readonly RedisArgument[]) => Promise<unknown>
