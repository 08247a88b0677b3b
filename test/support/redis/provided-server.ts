import { afterAll } from 'vitest'
import { execute } from './execute.ts'
import { type RedisServer, startRedis } from './server.ts'

const variable = 'RETRYSAFE_TEST_REDIS_URL'
let server: Promise<RedisServer> | undefined
let count = 0

/**
 * The URL of an empty place (`prefix=`), for a test that needs no server of its own. It is on the server that
 * `RETRYSAFE_TEST_REDIS_URL` names, and emptied when the file is done; or else on one that all places of this file
 * share. To be called outside of tests and hooks.
 *
 * @throws {Error} no Redis is installed, with what to install; or the variable's server cannot be used
 */
export async function provideRedis(): Promise<string> {
  count += 1
  const prefix = `test_${process.pid}_${Date.now()}_${count}`
  const given = process.env[variable]
  if (given === undefined || given === '') {
    server ??= startRedis()
    return placeOn((await server).url, prefix)
  }
  await execute(given, ['PING']).catch((cause: Error) => {
    throw new Error(`the server of ${variable} cannot be used: ${cause.message}`, { cause })
  })
  afterAll(() => clear(given, prefix))
  return placeOn(given, prefix)
}

function placeOn(url: string, prefix: string): string {
  const its = new URL(url)
  its.searchParams.set('prefix', prefix)
  return its.href
}

/** The server may be full of others' keys: a portion at a time. */
async function clear(url: string, prefix: string): Promise<void> {
  let cursor = '0'
  do {
    const portion = ['SCAN', cursor, 'MATCH', `${prefix}:*`, 'COUNT', '1000']
    const [next, keys] = (await execute(url, portion)) as [string, string[]]
    if (keys.length > 0) await execute(url, ['UNLINK', ...keys])
    cursor = next
  } while (cursor !== '0')
}
