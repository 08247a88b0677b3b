import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { FetchCounts, FetchOptions } from 'retrysafe/client'

/** A Node, and the SDKs that it runs. */
export interface Runtime {
  /** Its major version. */
  readonly node: number
  readonly sdks: 'installed' | 'newest'
}

/** The SDKs that still run on Node 20 (`installed`, at the root), and the newest on the Nodes that they ask for. */
export const runtimes: readonly [Runtime, ...Runtime[]] = [
  { node: 20, sdks: 'installed' },
  { node: 22, sdks: 'newest' },
  { node: 24, sdks: 'newest' },
]

const hostFile = fileURLToPath(new URL('host.mjs', import.meta.url))
const loaders = { installed: 'sdks.mjs', newest: 'newest/sdks.mjs' }

/** Node 20 is the one that runs these tests, whichever that is. */
function execPathOf({ node }: Runtime): string {
  if (node === 20) return process.execPath
  return fileURLToPath(new URL(`newest/node_modules/node${node}/bin/node`, import.meta.url))
}

/** One call as a user of the SDK makes it. */
export interface CallTerms {
  /** One of those that the driver has. */
  readonly api: string
  readonly how: 'plain' | 'stream'
  readonly url: string
  readonly text: string
  readonly headers: Readonly<Record<string, string>>
  /** By the SDK itself. */
  readonly retries: number
  /** The SDK's own patience for one attempt; `ai`'s for the whole call. */
  readonly timeoutMs?: number
  /** `openai` only: sends a key of its own, or `idempotencyKey`, under this header. */
  readonly idempotencyHeader?: string
  readonly idempotencyKey?: string
  /** `@google/genai` only: what it retries, in place of its own list. */
  readonly retryStatuses?: readonly number[]
  /** The call goes through a `createFetch()` of its own, with these options. `@google/genai` takes none. */
  readonly client?: FetchOptions
}

/** One request of the SDK, and what came of it; no status: nothing came. */
export interface Exchange {
  readonly contentType: string | null
  readonly key: string | null
  readonly status?: number
  readonly outcome?: string | null
  /** What was received of the body, in Base64. */
  readonly body: string
}

interface EndTerms {
  /** All the text that the user got. */
  readonly text: string
  readonly exchanges: readonly Exchange[]
  /** What its `createFetch()` did and said, where it had one. */
  readonly client?: FetchCounts & { readonly warnings: readonly string[] }
}
/** What the user of the SDK sees in the end. */
export type End = EndTerms &
  (
    | { readonly kind: 'answered' }
    /** The SDK raised: the messages of the error and its causes, and what of the answer it has beside them. */
    | { readonly kind: 'failed'; readonly message: string; readonly status?: number }
  )

/** A call under way. */
export interface Call {
  /** What has come so far. */
  text(): string
  isOver(): boolean
  readonly end: Promise<End>
}

/** An SDK in a process of its own. */
export interface SdkHost {
  /** Of Node and of the packages. */
  readonly versions: Readonly<Record<string, string>>
  start(terms: CallTerms): Call
  stop(): void
}

type Message =
  | { readonly kind: 'piece'; readonly id: number; readonly piece: string }
  | { readonly kind: 'end'; readonly id: number; readonly end: End }

/** @param driver the name of a file in drivers/ */
export async function startSdkHost(runtime: Runtime, driver: string): Promise<SdkHost> {
  const modules = [loaders[runtime.sdks], `drivers/${driver}.mjs`].map(file => new URL(file, import.meta.url).href)
  const execPath = execPathOf(runtime)
  const child = fork(hostFile, modules, { execPath, execArgv: [] })
  const { versions } = await readyOf(child, execPath)
  const calls: Recipient[] = []
  child.on('message', (message: Message) => calls[message.id]?.take(message))
  child.once('exit', () => {
    for (const { fail } of calls) fail(new Error(`the host of ${driver} has ended`))
  })
  return {
    versions,
    start(terms) {
      const { call, recipient } = openCall()
      child.send({ id: calls.push(recipient) - 1, terms })
      return call
    },
    stop() {
      if (child.connected) child.disconnect()
    },
  }
}

async function readyOf(child: ChildProcess, execPath: string): Promise<Pick<SdkHost, 'versions'>> {
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`it ended with ${code}`)))
  try {
    const [ready] = await Promise.race([once(child, 'message'), ended])
    return ready as Pick<SdkHost, 'versions'>
  } catch (cause) {
    throw new Error(`${execPath} did not start ${hostFile}; npm test installs what is missing`, { cause })
  }
}

interface Recipient {
  take(message: Message): void
  fail(error: Error): void
}

function openCall(): { call: Call; recipient: Recipient } {
  let text = ''
  let isOver = false
  let settle: (end: End) => void = () => {}
  let fail: (error: Error) => void = () => {}
  const end = new Promise<End>((resolve, reject) => {
    settle = resolve
    fail = reject
  })
  // Only who asks for the end is to hear of a host that died.
  end.catch(() => {})
  const take = (message: Message): void => {
    switch (message.kind) {
      case 'piece':
        text += message.piece
        return
      case 'end':
        isOver = true
        settle(message.end)
    }
  }
  return { call: { text: () => text, isOver: () => isOver, end }, recipient: { take, fail } }
}
