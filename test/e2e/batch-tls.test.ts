import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { chatItems, makeBatchFolder } from '../support/batch-files.ts'
import { makeAuthority } from '../support/certificates.ts'

const authority = makeAuthority('ours')
let received = 0
const server = createServer(authority.server, (request, response) => {
  received++
  request.resume().once('end', () => {
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"id":"c","model":"m-1","choices":[]}')
  })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
afterAll(() => {
  server.close()
  server.closeAllConnections()
})
const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/v1`

test('a provider over TLS: one that nobody vouches for gets nothing, one that is trusted gets all', async () => {
  const batch = makeBatchFolder()
  batch.write(chatItems(3))
  const key = { MY_KEY: 'sk-secret' }
  const flags = ['--api-key-env', 'MY_KEY', '--give-up-after', '1s']
  for (const lax of [{}, { NODE_TLS_REJECT_UNAUTHORIZED: '0' }]) {
    const { code, stderr } = await batch.run(url, flags, { ...key, ...lax })
    expect([code, received]).toEqual([1, 0])
    expect(stderr).toMatch(/SELF_SIGNED|self-signed|UNABLE_TO_VERIFY|unable to verify/)
  }
  const { code } = await batch.run(url, flags, { ...key, NODE_EXTRA_CA_CERTS: authority.path })
  expect([code, received, batch.outputs().length]).toEqual([0, 3, 3])
})
