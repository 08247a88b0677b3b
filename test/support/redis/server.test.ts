import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, describe, expect, test } from 'vitest'
import { makeAuthority } from '../certificates.ts'
import { execute } from './execute.ts'
import { startRedis } from './server.ts'

const authority = makeAuthority('redis')
const server = await startRedis({ settings: { maxmemory: '50mb' } })
afterAll(() => server.discard())

describe('a private Redis server', () => {
  test('has the settings that were asked for, and writes all to disk before it answers', async () => {
    const names = ['maxmemory', 'bind', 'appendonly', 'appendfsync', 'save', 'maxmemory-policy']
    const values = await Promise.all(names.map(name => server.execute('CONFIG', 'GET', name)))
    expect(values).toEqual([
      ['maxmemory', '52428800'],
      ['bind', '127.0.0.1'],
      ['appendonly', 'yes'],
      ['appendfsync', 'always'],
      ['save', ''],
      ['maxmemory-policy', 'noeviction'],
    ])
  })

  test('a kill breaks its connections; started again it has what it had', async () => {
    const { pid, url, port } = server
    await server.execute('SET', 'kept', 'before the kill')
    const socket = connect({ host: server.host, port })
    await once(socket, 'connect')
    socket.write('PING\r\n')
    await once(socket, 'data')
    const broken = once(socket, 'close')

    await server.kill()
    await broken
    expect(server.pid).toBeUndefined()
    await expect(server.execute('PING')).rejects.toThrow(`connect ECONNREFUSED 127.0.0.1:${port}`)

    await server.start()
    expect(server.pid).not.toBe(pid)
    expect(server.url).toBe(url)
    expect(await server.execute('GET', 'kept')).toBe('before the kill')
  })

  test('a restart is in order and keeps the data', async () => {
    await server.execute('SET', 'kept', 'before the restart')
    const before = server.log().length
    await server.restart()
    expect(await server.execute('GET', 'kept')).toBe('before the restart')
    expect(server.log().slice(before)).toContain('Received SIGTERM scheduling shutdown')
    expect(server.log().slice(before)).toContain('Redis is now ready to exit, bye bye')
  })

  test('one that stands still answers when it goes on, and can be stopped before that', async () => {
    server.pause()
    let answer: unknown
    const asked = server.execute('PING').then(its => {
      answer = its
    })
    const socket = connect({ host: server.host, port: server.port })
    await once(socket, 'connect')
    socket.destroy()
    expect(answer).toBeUndefined()
    server.resume()
    await asked
    expect(answer).toBe('PONG')

    server.pause()
    await server.stop()
    expect(server.pid).toBeUndefined()
    await server.start()
    expect(await server.execute('PING')).toBe('PONG')
  })

  test('one that cannot start says why', async () => {
    const start = startRedis({ settings: { maxmemory: 'much' } })
    await expect(start).rejects.toThrow(/^redis-server ended with 1; it wrote: .*'maxmemory much'/s)
  })
})

describe('who may do what', () => {
  test('it asks for its password and has the users that were asked for', async () => {
    const password = 'p@ss "word"/\\'
    const guarded = await startRedis({ password, acl: { app: 'on >secret ~rs:* &* +@all -eval' } })
    try {
      expect(await guarded.execute('ACL', 'WHOAMI')).toBe('default')
      const bare = `redis://${guarded.host}:${guarded.port}`
      await expect(execute(bare, ['PING'])).rejects.toThrow('NOAUTH Authentication required.')
      const url = guarded.urlOf('app', 'secret')
      expect(await execute(url, ['ACL', 'WHOAMI'])).toBe('app')
      await expect(execute(url, ['GET', 'other'])).rejects.toThrow('NOPERM')
      await expect(execute(url, ['EVAL', 'return 1', '0'])).rejects.toThrow(/NOPERM .*'eval'/)
    } finally {
      await guarded.discard()
    }
  })

  test('with TLS it shows a certificate of the authority, and asks for one where it is told to', async () => {
    const secret = await startRedis({ tls: authority, settings: { 'tls-auth-clients': 'yes' } })
    try {
      expect(secret.url).toBe(`rediss://127.0.0.1:${secret.port}`)
      expect(await secret.execute('PING')).toBe('PONG')
      await expect(execute(secret.url, ['PING'])).rejects.toThrow('self-signed certificate in certificate chain')
      const nameless = connectTls({ host: secret.host, port: secret.port, ca: readFileSync(authority.path) })
      const [error] = (await once(nameless, 'error')) as [Error]
      expect(error.message).toContain('certificate required')
      const plain = execute(`redis://127.0.0.1:${secret.port}`, ['PING'])
      await expect(plain).rejects.toThrow(/ECONNRESET|Socket closed unexpectedly/)
    } finally {
      await secret.discard()
    }
  })
})
