import { afterAll, test } from 'vitest'
import { startRedis } from '../../support/redis/server.ts'
import { stopBeyondLeases } from '../amnesty.ts'

const server = await startRedis()
afterAll(() => server.discard())

test(
  'a server that was gone for longer than leases: its living owners keep theirs, the dead ones’ go once, and not before',
  { timeout: 120_000 },
  () => stopBeyondLeases(server, server.url),
)
