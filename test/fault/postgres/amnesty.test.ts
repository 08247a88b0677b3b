import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, test } from 'vitest'
import { startPostgres } from '../../support/postgres/server.ts'
import { stopBeyondLeases } from '../amnesty.ts'

const server = await startPostgres()
afterAll(() => server.stop())
const url = await server.createDatabase()
await migrate({ url })

test(
  'a server that was gone for longer than leases: its living owners keep theirs, the dead ones’ go once, and not before',
  { timeout: 120_000 },
  () => stopBeyondLeases(server, url),
)
