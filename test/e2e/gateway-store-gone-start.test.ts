import { expect, test } from 'vitest'
import { openStoreBehindLines, storeTimeoutMs } from '../support/distant-store.ts'
import { type Ended, runProgram } from '../support/program.ts'

const { server, open } = await openStoreBehindLines()

function serve(store: string): Promise<Ended> {
  const ports = ['--port', '0', '--admin-port', '0']
  return runProgram(['serve', '--upstream', 'http://127.0.0.1:9', ...ports, '--store', store])
}

/** Exit 1, nothing on stdout, and one line on stderr. */
function expectOneLine(ended: Ended, line: RegExp): void {
  expect(ended).toMatchObject({ code: 1, signal: null, stdout: '' })
  expect(ended.stderr.split('\n')).toEqual([expect.stringMatching(line), ''])
}

test('a store that refuses connections: exit 1 and one line', async () => {
  const { url, cutOff } = await open()
  cutOff()
  expectOneLine(
    await serve(url),
    /^retrysafe: --store: PostgreSQL is out of reach: connect ECONNREFUSED 127\.0\.0\.1:\d+/,
  )
})

test.each(['open', 'closed'])(
  'the same under --on-store-error %s: there is nothing to serve from yet',
  async policy => {
    const { url, cutOff } = await open()
    cutOff()
    const ended = await runProgram([
      'serve',
      '--port',
      '0',
      '--admin-port',
      '0',
      '--store',
      url,
      '--on-store-error',
      policy,
    ])
    expectOneLine(ended, /^retrysafe: --store: PostgreSQL is out of reach: /)
  },
)

test('a store that is silent: exit 1 and one line, after its time-out', async () => {
  const { url, line } = await open()
  line.stall()
  const startedMs = performance.now()
  expectOneLine(await serve(url), /^retrysafe: --store: PostgreSQL is out of reach: .*timeout/)
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(storeTimeoutMs)
})

test('a store that falls silent in the middle of the first answer: the same', async () => {
  const { url, line } = await open()
  const cut = line.cutAfter('server', 200).then(() => line.stall())
  expectOneLine(await serve(url), /^retrysafe: --store: PostgreSQL is out of reach: /)
  await cut
})

test('a server that is down: the same, and once it is up it serves', async () => {
  const { url, serve: start } = await open()
  await server.stop()
  expectOneLine(await serve(url), /^retrysafe: --store: PostgreSQL is out of reach: /)
  await server.start()
  expect((await start('http://127.0.0.1:9')).ready).toMatchObject({ store: 'postgres' })
})
