import type { ClusterNode } from './cluster-node.ts'

/**
 * A slot on its way from one node to another. A key that has moved is asked for with ASK by the old node, one that has
 * not is served by it; a command on several keys gets TRYAGAIN there as soon as only some of them are gone.
 */
export interface SlotMove {
  /** Moves these keys, or else all that are there now; answers how many names it handed over. */
  moveKeys(...keys: readonly string[]): Promise<number>
  /** Moves all that is left and gives the slot to the new node: the old one answers MOVED. */
  finish(): Promise<void>
}

const portion = 100
const withinMs = 10_000

/** As the Redis Cluster specification moves a slot: the new node waits for it before the old one lets go. */
export async function beginSlotMove(slot: number, from: ClusterNode, to: ClusterNode): Promise<SlotMove> {
  const name = String(slot)
  await to.execute('CLUSTER', 'SETSLOT', name, 'IMPORTING', from.id)
  await from.execute('CLUSTER', 'SETSLOT', name, 'MIGRATING', to.id)
  const migrate = async (keys: readonly string[]): Promise<void> => {
    const password = to.password === undefined ? [] : ['AUTH', to.password]
    const terms = [to.host, String(to.port), '', '0', String(withinMs), ...password, 'KEYS']
    await from.execute('MIGRATE', ...terms, ...keys)
  }
  const migrateAll = async (): Promise<number> => {
    for (let count = 0; ; ) {
      const keys = (await from.execute('CLUSTER', 'GETKEYSINSLOT', name, String(portion))) as string[]
      if (keys.length === 0) return count
      await migrate(keys)
      count += keys.length
    }
  }
  return {
    async moveKeys(...keys) {
      if (keys.length === 0) return migrateAll()
      await migrate(keys)
      return keys.length
    },
    async finish() {
      await migrateAll()
      // The new owner first: if the old one were, a client could be sent to a node that sends it back.
      for (const node of [to, from]) await node.execute('CLUSTER', 'SETSLOT', name, 'NODE', to.id)
    },
  }
}
