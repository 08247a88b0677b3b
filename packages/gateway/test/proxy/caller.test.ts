import { Socket } from 'node:net'
import { createIdentity } from 'retrysafe/internal/engine/identity'
import { readRequestHead } from 'retrysafe/internal/server/request-head'
import { expect, test } from 'vitest'
import { readTenant } from '../../src/proxy/caller.ts'

const identity = createIdentity(Buffer.alloc(32, 1))

function tenantOf(connection: Socket, rawHeaders: string[], query = ''): string | undefined {
  const head = readRequestHead(rawHeaders, { keys: ['idempotency-key'], tenant: undefined })
  return readTenant(identity, { kind: 'credential' }, head, query, false, connection)
}

test('a connection that changes its credential changes its tenant, each time', () => {
  const connection = new Socket()
  const alice = identity.tenantOf(['authorization=Bearer alice'])
  const bob = identity.tenantOf(['authorization=Bearer bob'])
  const said = ['alice', 'alice', 'bob', 'alice', 'bob', 'bob'].map(name =>
    tenantOf(connection, ['Authorization', `Bearer ${name}`]),
  )
  expect(said).toEqual([alice, alice, bob, alice, bob, bob])
})

test('a connection whose credential is gone has no tenant', () => {
  const connection = new Socket()
  expect(tenantOf(connection, ['x-api-key', 'k'])).toBe(identity.tenantOf(['x-api-key=k']))
  expect(tenantOf(connection, [])).toBeUndefined()
})

test.each([
  [['Authorization', '']],
  [['Authorization', 'Bearer']],
  [['authorization', 'basic', 'x-api-key', '']],
  [['api-key', ''], 'key='],
  [[], 'alt=sse&k%65y'],
])('an empty credential is none: %j %s', (rawHeaders: string[], query?: string) => {
  expect(tenantOf(new Socket(), rawHeaders, query)).toBeUndefined()
  const beside = tenantOf(new Socket(), [...rawHeaders, 'x-goog-api-key', 'k'], query)
  expect(beside).toBe(identity.tenantOf(['x-goog-api-key=k']))
})

test('an empty name of a tenant is none', () => {
  const named = (value: string): string | undefined => {
    const head = readRequestHead(['X-Tenant', value], { keys: [], tenant: 'x-tenant' })
    return readTenant(identity, { kind: 'header', name: 'x-tenant' }, head, '', true, new Socket())
  }
  expect(named('')).toBeUndefined()
  expect(named('a')).toBe(identity.tenantNamed('a'))
})

test('the order of the headers does not count, their names and the query do', () => {
  const connection = new Socket()
  const both = tenantOf(connection, ['Authorization', 'a', 'X-Api-Key', 'b'])
  expect(tenantOf(new Socket(), ['x-api-key', 'b', 'authorization', 'a'])).toBe(both)
  const others = [
    tenantOf(connection, ['Authorization', 'b', 'X-Api-Key', 'a']),
    tenantOf(connection, ['api-key', 'a', 'X-Api-Key', 'b']),
    tenantOf(connection, ['Authorization', 'a', 'X-Api-Key', 'b'], 'key=c'),
    tenantOf(connection, [], 'key=c'),
    tenantOf(connection, ['Authorization', 'a, x-api-key=b']),
    tenantOf(connection, [], 'k%65y=d'),
    tenantOf(connection, [], '%6Bey=e'),
  ]
  expect(new Set([both, ...others]).size).toBe(8)
  expect(others).not.toContain(undefined)
})
