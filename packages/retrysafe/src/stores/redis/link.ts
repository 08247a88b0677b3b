/** What a command is made of. */
export type RedisArgument = string | Buffer

/** One server. */
export interface RedisNode {
  /** `host:port`. */
  readonly name: string
  send(args: readonly RedisArgument[]): Promise<unknown>
}

/**
 * What the store needs of a client library: commands with binary arguments and replies, sent to the node that has the
 * key, never to a replica; redirections followed. A command is rejected rather than kept for later where there is no
 * connection: whether it is sent again is decided here.
 */
export interface RedisLink {
  readonly isCluster: boolean
  /** Resolves when commands can be sent. Rejects with the reason, after `withinMs` at the latest; may be called again. */
  connect(withinMs: number): Promise<void>
  /** Texts come as Buffers, integers as numbers. `key` says which node of a cluster. */
  send(key: string, args: readonly RedisArgument[]): Promise<unknown>
  primaries(): Promise<readonly RedisNode[]>
  /** Hears a sharded channel on one connection for each node, and goes on hearing it after that broke. */
  subscribe(channel: string, hear: () => void): Promise<void>
  unsubscribe(channel: string): Promise<void>
  /** Makes all connections anew, if they are the store's own: whoever was there is silent, or has become a replica. */
  reset(): void
  /** Ends what is the store's own. Of a client that is not, it takes its listeners and channels away. */
  close(): Promise<void>
}

export interface LinkTerms {
  /** A connection, or an attempt to make one, failed. */
  troubled(error: Error): void
}

/** What both libraries' clients are. */
export interface Emitter {
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

export function nodeName(options: { host?: string | undefined; port?: number | undefined } | undefined): string {
  return `${options?.host ?? 'localhost'}:${options?.port ?? 6379}`
}
