import { fileURLToPath } from 'node:url'
import { startVitest } from 'vitest/node'

const folder = fileURLToPath(new URL('.', import.meta.url))
await startVitest('test', [], { config: false, root: folder, include: ['held-servers.ts'], watch: false })
