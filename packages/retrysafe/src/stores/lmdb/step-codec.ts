import type { Fingerprint } from '../../fingerprint/fingerprint.ts'
import type { StoredStep } from '../row/step.ts'

/** Attempt, fence, the input's fingerprint with its length, then, once there is one, the value after a 1. */
export function encodeStep({ attempt, fence, input, value }: StoredStep): Buffer {
  const text = Buffer.from(input)
  const head = Buffer.allocUnsafe(13)
  head.writeUInt16LE(attempt)
  head.writeDoubleLE(fence, 2)
  head.writeUInt16LE(text.byteLength, 10)
  head[12] = value === undefined ? 0 : 1
  return Buffer.concat([head, text, value ?? Buffer.alloc(0)])
}

export function decodeStep(bytes: Buffer): StoredStep {
  const valueAt = 13 + bytes.readUInt16LE(10)
  return {
    attempt: bytes.readUInt16LE(),
    fence: bytes.readDoubleLE(2),
    input: bytes.toString('utf8', 13, valueAt) as Fingerprint,
    ...(bytes[12] === 1 && { value: bytes.subarray(valueAt) }),
  }
}
