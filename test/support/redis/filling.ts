import type { RedisServer } from './server.ts'

/** Lowers a server's bound until it refuses what takes memory; answers what gives it room again, as often as it is called. */
export async function fillRedis(server: RedisServer): Promise<() => Promise<void>> {
  const [, before] = (await server.execute('CONFIG', 'GET', 'maxmemory')) as [string, string]
  await server.execute('CONFIG', 'SET', 'maxmemory', '1mb')
  const ballast = 'ballast'
  for (;;) {
    const refusal = await server.execute('APPEND', ballast, 'x'.repeat(65_536)).catch((error: Error) => error)
    if (!(refusal instanceof Error)) continue
    if (!refusal.message.startsWith('OOM')) throw refusal
    break
  }
  return async () => {
    await server.execute('CONFIG', 'SET', 'maxmemory', before)
    await server.execute('DEL', ballast)
  }
}
