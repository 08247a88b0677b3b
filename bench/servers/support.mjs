import { createViteServer } from 'vitest/node'

/**
 * Uses a module of the tests' support, which is TypeScript: vitest's own Vite reads it.
 *
 * @param use gets the module; what it waits for need not keep the process alive
 */
export async function withSupport(path, use) {
  const vite = await createViteServer({
    configFile: false,
    logLevel: 'error',
    appType: 'custom',
    server: { middlewareMode: true, ws: false, watch: null },
    optimizeDeps: { noDiscovery: true },
  })
  const alive = setInterval(() => {}, 60_000)
  try {
    return await use(await vite.ssrLoadModule(`/test/support/${path}`))
  } finally {
    clearInterval(alive)
    await vite.close()
  }
}
