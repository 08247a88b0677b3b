import { fileURLToPath } from 'node:url'
import { createViteServer } from 'vitest/node'

/** Starts two servers, one of which stands still, tells its parent, and does not end. */
const vite = await createViteServer({
  root: fileURLToPath(new URL('../../..', import.meta.url)),
  configFile: false,
  logLevel: 'error',
  appType: 'custom',
  server: { middlewareMode: true, ws: false, watch: null },
  optimizeDeps: { noDiscovery: true },
})
const { startRedis } = await vite.ssrLoadModule('/test/support/redis/server.ts')
const servers = await Promise.all([startRedis(), startRedis()])
servers[1].pause()
process.send(servers.map(({ pid, folder }) => ({ pid, folder })))
setInterval(() => {}, 60_000)
