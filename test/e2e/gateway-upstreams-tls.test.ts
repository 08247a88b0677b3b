import { once } from 'node:events'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Authority, makeAuthority } from '../support/certificates.ts'
import { ask, jsonOf, problemOf } from '../support/exchange.ts'
import { startGateway } from '../support/gateway.ts'
import { type Environment, runProgram } from '../support/program.ts'
import { recordOf } from '../support/records.ts'

/** An upstream with a certificate that `authority` has signed. */
async function startTls({ server: { key, cert } }: Authority): Promise<{ url: string; received: () => number }> {
  let received = 0
  const server = createServer({ key, cert }, (request, response) => {
    received++
    request.resume().once('end', () => response.end(`{"call":${received}}`))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterAll(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, received: () => received }
}

const ours = makeAuthority('ours')
const theirs = makeAuthority('theirs')
const upstream = await startTls(ours)
const other = await startTls(theirs)

/** What a gateway with these flags says of a call to each of the two, `our upstream` and `their upstream`. */
async function callBoth(flags: readonly string[], environment: Environment = {}): Promise<string[]> {
  const gateway = await startGateway([`ours=${upstream.url}`, `theirs=${other.url}`], flags, environment)
  onTestFinished(gateway.stop)
  const answers = ['ours', 'theirs'].map(async name => {
    const question = { headers: { Authorization: 'Bearer a', 'Idempotency-Key': name }, body: '{}' }
    const answer = await ask(`${gateway.url}/${name}/x`, question)
    if (answer.status === 200) return String(answer.headers['retrysafe-outcome'])
    expect(problemOf(answer)).toEqual({ status: 502, code: 'UPSTREAM_UNREACHABLE', shouldRetry: 'true' })
    // Nothing was sent, so the key is free.
    expect(await recordOf(gateway.admin, name)).toBeUndefined()
    return /\((.*)\); nothing was sent/.exec(String(Object(jsonOf(answer)).detail))?.[1] ?? answer.text
  })
  return Promise.all(answers)
}

const untrusted = 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'

describe('an upstream whose certificate a private authority has signed', () => {
  test('control: is not trusted, is told by the code of the error, and gets nothing', async () => {
    const before = upstream.received()
    expect(await callBoth([])).toEqual([untrusted, untrusted])
    expect(upstream.received()).toBe(before)
  })

  test('control: no variable turns the check off', async () => {
    const environment = { NODE_TLS_REJECT_UNAUTHORIZED: '0' }
    expect(await callBoth([], environment)).toEqual([untrusted, untrusted])
    expect(await callBoth(['--upstream-ca', ours.path], environment)).toEqual(['executed', untrusted])
  })

  test('--upstream-ca: is trusted, and nobody else', async () => {
    expect(await callBoth(['--upstream-ca', ours.path])).toEqual(['executed', untrusted])
  })

  test('--upstream-ca twice; a path may hold spaces', async () => {
    const spaced = join(dirname(theirs.path), 'with two spaces.pem')
    writeFileSync(spaced, readFileSync(theirs.path))
    const flags = ['--upstream-ca', ours.path, '--upstream-ca', spaced]
    expect(await callBoth(flags)).toEqual(['executed', 'executed'])
  })

  test('one file with several certificates and words between them, named in the environment', async () => {
    const both = join(dirname(ours.path), 'both.pem')
    writeFileSync(both, `ours\n${readFileSync(ours.path)}\ntheirs\n`)
    appendFileSync(both, readFileSync(theirs.path))
    expect(await callBoth([], { RETRYSAFE_UPSTREAM_CA: both })).toEqual(['executed', 'executed'])
  })

  test('NODE_EXTRA_CA_CERTS works, alone and beside --upstream-ca', async () => {
    const environment = { NODE_EXTRA_CA_CERTS: ours.path }
    expect(await callBoth([], environment)).toEqual(['executed', untrusted])
    expect(await callBoth(['--upstream-ca', theirs.path], environment)).toEqual(['executed', 'executed'])
  })

  test('is asked for by its name: a certificate for another address is refused', async () => {
    const gateway = await startGateway(upstream.url.replace('127.0.0.1', 'localhost'), ['--upstream-ca', ours.path])
    onTestFinished(gateway.stop)
    const answer = await ask(`${gateway.url}/x`, { headers: { 'Idempotency-Key': 'k' }, body: '{}' })
    expect(jsonOf(answer)).toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      detail: 'No connection to the upstream (ERR_TLS_CERT_ALTNAME_INVALID); nothing was sent.',
    })
  })
})

describe('a file that cannot be used ends the program: exit 2, one line', () => {
  const folder = dirname(ours.path)
  const garbage = join(folder, 'garbage.pem')
  writeFileSync(garbage, 'no certificate')
  const damaged = join(folder, 'damaged.pem')
  writeFileSync(damaged, readFileSync(ours.path, 'latin1') + readFileSync(ours.path, 'latin1').replace(/\nM/, '\nZ'))
  const cut = join(folder, 'cut.pem')
  writeFileSync(cut, readFileSync(ours.path, 'latin1').slice(0, -30))
  const large = join(folder, 'large.pem')
  writeFileSync(large, Buffer.alloc(4_194_305, 'x'))

  test.each([
    ['a missing one', join(folder, 'missing.pem'), 'it cannot be read: ENOENT'],
    ['a folder', folder, 'it cannot be read: EISDIR'],
    ['garbage', garbage, 'it takes a file of PEM certificates, and there is none in it'],
    ['the second certificate damaged', damaged, 'number 2 of its certificates is damaged'],
    ['a certificate without its end', cut, 'number 1 of its certificates is damaged'],
    ['a private key', join(folder, 'ca.key'), 'it takes a file of PEM certificates, and there is none in it'],
    ['a large one', large, 'it takes a file of at most 4194304 bytes'],
  ])('%s', async (_, path, message) => {
    const ended = await runProgram(['serve', '--store', 'memory:', '--upstream-ca', path])
    expect(ended).toMatchObject({ code: 2, stdout: '', stderr: `retrysafe: --upstream-ca "${path}": ${message}\n` })
  })
})

test('an upstream that accepts the connection and never answers the TLS handshake is given up', async () => {
  const silent = createTcpServer(socket => socket.on('error', () => {}))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  onTestFinished(() => void silent.close())
  const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const gateway = await startGateway(url, ['--upstream-timeout', '300ms'])
  onTestFinished(gateway.stop)
  const answer = await ask(`${gateway.url}/x`, { headers: { 'Idempotency-Key': 'k' }, body: '{}' })
  expect(jsonOf(answer)).toMatchObject({
    code: 'UPSTREAM_UNREACHABLE',
    detail: 'No connection to the upstream (UND_ERR_CONNECT_TIMEOUT); nothing was sent.',
  })
  expect(await recordOf(gateway.admin, 'k')).toBeUndefined()
})
