import { createHash } from 'node:crypto'
import type { Store } from '../../../packages/retrysafe/src/engine/store.ts'
import { scripts } from '../../../packages/retrysafe/src/stores/redis/embedded-lua.ts'
import type { RedisArgument, RedisLink } from '../../../packages/retrysafe/src/stores/redis/link.ts'
import { Names } from '../../../packages/retrysafe/src/stores/redis/names.ts'
import { openLink } from '../../../packages/retrysafe/src/stores/redis/open-link.ts'
import { readSettings } from '../../../packages/retrysafe/src/stores/redis/settings.ts'
import { openRedisStore } from '../../../packages/retrysafe/src/stores/redis/store.ts'
import type { ManualServerClock } from '../../../packages/retrysafe/test/stores/redis/manual-link.ts'
import type { RedisServer } from '../../support/redis/server.ts'

let prefixes = 0
const textOf: ReadonlyMap<string, string> = new Map(
  Object.values(scripts).map(text => [createHash('sha1').update(text).digest('hex'), text]),
)

/** One store that nobody else uses, and what can be done to its server, for cases that the kit cannot have. */
export class LuaStage {
  readonly prefix: string = `lua${process.pid}-${++prefixes}`
  readonly names: Names = new Names(this.prefix)
  readonly server: RedisServer
  /** What scripts are changed to before they are sent. */
  change: (script: string) => string = script => script
  /** Hints that came over channels. */
  hints = 0
  #upSeconds = 1_000_000_000
  #isGone = false
  readonly #clock: ManualServerClock
  readonly #stores: Store[] = []

  constructor(server: RedisServer, clock: ManualServerClock) {
    this.server = server
    this.#clock = clock
  }

  /** @param time by whose clock scripts run; keys leave by the server's own in any case */
  open(time: 'by hand' | 'real' = 'by hand'): Store {
    const settings = readSettings({ url: this.server.url, prefix: this.prefix, warn: () => {} })
    const store = openRedisStore(settings, (terms, told) => {
      const link = this.#wrap(openLink(terms, told))
      return time === 'real' ? link : this.#clock.wrap(link)
    })
    this.#stores.push(store)
    return store
  }

  pass(ms: number): void {
    this.#clock.pass(ms)
  }

  /** From now on the server says that it started so long ago. */
  startedAgo(seconds: number): void {
    this.#upSeconds = seconds
  }

  /** The next command finds no server. */
  goAway(): void {
    this.#isGone = true
  }

  async close(): Promise<void> {
    await Promise.all(this.#stores.map(store => store.close()))
  }

  #wrap(link: RedisLink): RedisLink {
    return {
      ...link,
      send: (key, args) => {
        if (this.#isGone) {
          this.#isGone = false
          return Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))
        }
        return link.send(key, this.#changed(args))
      },
      subscribe: (channel, hear) =>
        link.subscribe(channel, () => {
          this.hints += 1
          hear()
        }),
    }
  }

  #changed(args: readonly RedisArgument[]): readonly RedisArgument[] {
    const [command, script = '', ...rest] = args
    const text = command === 'EVALSHA' ? textOf.get(String(script)) : String(script)
    if (text === undefined || (command !== 'EVAL' && command !== 'EVALSHA')) return args
    const inTime = text.replace('uptime_in_seconds:1000000000', `uptime_in_seconds:${this.#upSeconds}`)
    return ['EVAL', this.change(inTime), ...rest]
  }
}
