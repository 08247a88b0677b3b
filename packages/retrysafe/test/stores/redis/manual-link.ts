import { createHash } from 'node:crypto'
import { scripts } from '../../../src/stores/redis/embedded-lua.ts'
import type { RedisLink } from '../../../src/stores/redis/link.ts'
import { startWallMs } from '../../support/manual-time.ts'

/** The server's clock as a test moves it: the scripts get it as a last argument instead of asking for the time. */
export class ManualServerClock {
  #nowMs = startWallMs

  pass(ms: number): void {
    this.#nowMs += ms
  }

  /** @param wallMs since the epoch; counts to the microsecond */
  set(wallMs: number): void {
    this.#nowMs = wallMs
  }

  /** A way to the server on which scripts live in this time. Keys stay for as long as the server's own clock says. */
  wrap(link: RedisLink): RedisLink {
    return {
      ...link,
      send: (key, args) => {
        const [command, script, count = '', ...rest] = args
        const text = command === 'EVALSHA' ? texts.get(String(script)) : undefined
        if (text === undefined) return link.send(key, args)
        const time = text.includes(ourTime) ? [String(Math.floor(this.#nowMs * 1_000))] : []
        return link.send(key, ['EVAL', text, count, ...rest, ...time])
      },
    }
  }
}

const ourTime = 'tonumber(ARGV[#ARGV])'
const texts = new Map(
  Object.values(scripts).map(text => [createHash('sha1').update(text).digest('hex'), inOurTime(text)]),
)

function inOurTime(text: string): string {
  return text
    .replaceAll("local time = redis.call('TIME')", `local time = { 0, ${ourTime} }`)
    .replace("local info = redis.pcall('INFO', 'server')", "local info = 'uptime_in_seconds:1000000000'")
    .replaceAll("'PXAT', ends_at(r)", "'PX', '3600000'")
    .replaceAll(/redis\.call\('PEXPIREAT', (\w+), ends_at\(r\)\)/g, "redis.call('PEXPIRE', $1, '3600000')")
    .replace("'PXAT', string.format('%.0f', last)", "'PX', '3600000'")
}
