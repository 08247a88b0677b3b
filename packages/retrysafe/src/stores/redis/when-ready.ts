import type { Emitter } from './link.ts'

/** Not each client says when it is ready. */
const lookEveryMs = 10

/**
 * Waits until a client can send commands.
 *
 * @param isReady what it throws ends the wait
 * @param begin begins to connect where nobody has; its rejection ends the wait too
 * @throws {Error} what the client said last, when that takes longer than `withinMs`; at once, when its server refuses it
 */
export async function whenReady(
  client: Emitter,
  isReady: () => boolean,
  begin: () => Promise<void> | undefined,
  withinMs: number,
): Promise<void> {
  if (isReady()) return
  await new Promise<void>((resolve, reject) => {
    let last: Error | undefined
    const deadline = setTimeout(() => finish(() => reject(last ?? new Error('it does not answer'))), withinMs)
    const look = setInterval(() => {
      try {
        if (isReady()) finish(resolve)
      } catch (error) {
        finish(() => reject(error))
      }
    }, lookEveryMs)
    const failed = (error: unknown): void => {
      const reason = reasonOf(error as Error)
      // What ioredis' cluster says of its own wrap of an error that it has told of before.
      if (reason.message !== 'Connection is closed.') last = reason
      if (isRefusal(reason)) finish(() => reject(reason))
    }
    function finish(tell: () => void): void {
      clearTimeout(deadline)
      clearInterval(look)
      client.off('error', failed)
      client.off('node error', failed)
      tell()
    }
    client.on('error', failed)
    client.on('node error', failed)
    begin()?.catch(error => finish(() => reject(last ?? error)))
  })
}

/** Nobody will let us in a moment later. A server that is not there may well come. */
export function isRefusal(error: Error): boolean {
  return /^(WRONGPASS|NOAUTH|NOPERM|ERR )|certificate/i.test(String(error.message))
}

/** A cluster's client says that all nodes failed, and what the last one said beside it. */
export function reasonOf(error: Error): Error {
  const inner = Reflect.get(error, 'lastNodeError') ?? (error instanceof AggregateError ? error.errors[0] : undefined)
  return inner instanceof Error ? inner : error
}
