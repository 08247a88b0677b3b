interface Emitter {
  on(event: string, listener: (...args: never[]) => void): unknown
  off(event: string, listener: (...args: never[]) => void): unknown
}

/**
 * Waits until a client can send commands.
 *
 * @throws {Error} what the client said last, when that takes longer than `withinMs`; at once, when its server refuses it
 */
export async function whenReady(
  client: Emitter,
  isReady: () => boolean,
  begin: () => void,
  withinMs: number,
): Promise<void> {
  if (isReady()) return
  await new Promise<void>((resolve, reject) => {
    let last = new Error('it does not answer')
    const timer = setTimeout(() => finish(() => reject(last)), withinMs)
    const ready = (): void => finish(resolve)
    const failed = (error: Error): void => {
      last = reasonOf(error)
      // Nobody will let us in a moment later. A server that is not there may well come.
      if (/^(WRONGPASS|NOAUTH|NOPERM|ERR )/.test(last.message)) finish(() => reject(last))
    }
    function finish(tell: () => void): void {
      clearTimeout(timer)
      client.off('ready', ready)
      client.off('error', failed)
      tell()
    }
    client.on('ready', ready)
    client.on('error', failed)
    begin()
    if (isReady()) ready()
  })
}

/** A cluster's client says that all nodes failed, and what the last one said beside it. */
export function reasonOf(error: Error): Error {
  const inner = Reflect.get(error, 'lastNodeError') ?? (error instanceof AggregateError ? error.errors[0] : undefined)
  return inner instanceof Error ? inner : error
}
