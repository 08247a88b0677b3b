import { expect, test } from 'vitest'
import { FAULT_LINES, parseFaults } from '../../src/sandbox/faults.ts'
import { startSandbox } from '../../src/sandbox/server.ts'

test('every fault, with its unit', () => {
  expect(parseFaults('delay=2s,status=429 , retry-after=3, times=4, cut-after=5, hang, gap=20ms')).toEqual({
    kind: 'valid',
    faults: [
      { kind: 'delay', delayMs: 2000 },
      { kind: 'status', status: 429 },
      { kind: 'retry-after', seconds: 3 },
      { kind: 'times', times: 4 },
      { kind: 'cut-after', pieces: 5 },
      { kind: 'hang' },
      { kind: 'gap', gapMs: 20 },
    ],
  })
  expect(parseFaults('error-event-after=3, slow=1s, encode=gzip')).toEqual({
    kind: 'valid',
    faults: [
      { kind: 'error-event-after', pieces: 3 },
      { kind: 'slow', slowMs: 1000 },
      { kind: 'encode', coding: 'gzip' },
    ],
  })
  expect(parseFaults('truncate-after=0')).toEqual({ kind: 'valid', faults: [{ kind: 'truncate-after', pieces: 0 }] })
  expect(parseFaults('cut-before-head, delay=7d')).toEqual({
    kind: 'valid',
    faults: [{ kind: 'cut-before-head' }, { kind: 'delay', delayMs: 604_800_000 }],
  })
  expect(parseFaults('  ')).toEqual({ kind: 'valid', faults: [] })
})

test.each([
  ['explode', 'Sandbox-Fault: "explode" is not a fault.'],
  ['hang,', 'Sandbox-Fault: "" is not a fault.'],
  ['toString', 'Sandbox-Fault: "toString" is not a fault.'],
  [
    'hang=1',
    'Sandbox-Fault: "hang=1" is malformed; hang: never answer and keep the socket; with cut-after=N, fall silent there.',
  ],
  ['delay=8d', 'Sandbox-Fault: "delay=8d" is malformed; delay=2s: wait before the head of the answer, at most 7d.'],
  ['gap=soon', 'Sandbox-Fault: "gap=soon" is malformed; gap=20ms: pause between the chunks of a stream, at most 7d.'],
  ['hang, hang', 'Sandbox-Fault: "hang" is there twice.'],
  ['retry-after=1', 'Sandbox-Fault: "retry-after" needs status.'],
  ['truncate-after=1, cut-after=2', 'Sandbox-Fault: "truncate-after" cannot go with cut-after.'],
  ['truncate-after=1, hang', 'Sandbox-Fault: "truncate-after" cannot go with hang.'],
  ['error-event-after=1, status=500', 'Sandbox-Fault: "error-event-after" cannot go with status.'],
  ['error-event-after=1, truncate-after=2', 'Sandbox-Fault: "error-event-after" cannot go with truncate-after.'],
  ['hang, cut-before-head', 'Sandbox-Fault: "cut-before-head" cannot go with hang.'],
])('%s', (text, message) => {
  expect(parseFaults(text)).toEqual({ kind: 'invalid', message })
})

test.each([
  'status=200',
  'status=304',
  'status=600',
  'status',
  'times=0',
  'times=-1',
  'cut-after=1.5',
  'truncate-after',
  'error-event-after=-1',
  'slow=fast',
  'encode=br',
  'delay',
  'delay=2s=3s',
])('%s is malformed', text => {
  expect(parseFaults(text)).toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining(`"${text}" is malformed`),
  })
})

test('an unknown fault is a 400 that names it and lists what there is', async () => {
  const sandbox = await startSandbox({ port: 0 })
  const headers = { 'Sandbox-Fault': 'explode=1' }
  const response = await fetch(`${sandbox.url}/effects/charge`, { method: 'POST', headers })
  const text = await response.text()
  await sandbox.close()
  expect(response.status).toBe(400)
  expect(JSON.parse(text)).toEqual({
    error: {
      message: 'Sandbox-Fault: "explode=1" is not a fault.',
      type: 'invalid_request_error',
      param: 'Sandbox-Fault',
      code: 'fault_invalid',
    },
    faults: FAULT_LINES,
  })
  expect(FAULT_LINES.map(line => line.split(/[=:]/, 1)[0])).toEqual([
    'delay',
    'status',
    'retry-after',
    'times',
    'cut-after',
    'cut-before-head',
    'hang',
    'truncate-after',
    'error-event-after',
    'gap',
    'slow',
    'encode',
  ])
})
