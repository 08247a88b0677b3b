import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { ManualTime } from '../../../retrysafe/test/support/manual-time.ts'
import { AttendedCall } from '../../src/proxy/keyless/attended-call.ts'
import type { PairableCall } from '../../src/proxy/keyless/pairable-call.ts'
import { Pairing } from '../../src/proxy/keyless/pairing.ts'

const dayMs = 86_400_000
const noRest = { retryAfter: undefined, retryAfterMs: undefined }

/** An attempt whose answer no retry could be given, and a client that does not take it in. */
function attend(time: ManualTime): { attended: AttendedCall; client: EventEmitter } {
  const pairing = new Pairing(time.process().surroundings, () => {})
  const answering = { headersSent: false, writableFinished: false, destroyed: false, req: { httpVersion: '1.1' } }
  const methods = { writeHead() {}, write: () => false, end() {}, removeHeader() {}, flushHeaders() {}, destroy() {} }
  const client = Object.assign(new EventEmitter(), answering, methods)
  const rules = { recordStatus: [{ from: 200, to: 299 }], onDisconnect: dayMs }
  const routed = { response: client, rules, route: { upstream: { basePath: '' }, path: '/v1/responses' } }
  const call = { routed, place: () => '0', abandonedAtMs: Number.POSITIVE_INFINITY }
  const attended = new AttendedCall(
    call as unknown as PairableCall,
    pairing,
    () => {},
    () => {},
  )
  const head = { status: 500, headers: [], replayable: [], retryAfter: noRest, mediaType: 'application/json' }
  attended.head({
    ...head,
    contentLength: 2,
    endsByClose: false,
    contentEncoding: undefined,
    isBodiless: false,
    unknownTransferCoding: undefined,
  })
  return { attended, client }
}

test('a client that leaves before its answer was written, but has come whole, leaves nothing to wait for', () => {
  const time = new ManualTime()
  const { attended, client } = attend(time)
  attended.data(Buffer.from('{}'))
  attended.end(undefined)
  client.emit('close')
  expect(time.waitingTimers).toBe(0)
})

test('one that leaves while its answer comes lets it go on for as long as was asked for, and not longer than it is', () => {
  const time = new ManualTime()
  const { attended, client } = attend(time)
  client.emit('close')
  expect(time.waitingTimers).toBe(1)
  attended.end(undefined)
  expect(time.waitingTimers).toBe(0)
})
